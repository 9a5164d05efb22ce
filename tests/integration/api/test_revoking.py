"""A key that is revoked, perhaps because it leaked, spends nothing more."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from chat.api import asking, keys, revoking
from chat.api.models import ApiKey, ApiRequest
from chat.models import Message
from streaming import database
from streaming.models import Generation
from streaming.states import Status
from tests.engine import Change, Engine, ScriptedProvider, row
from tests.integration.api.program import HELLO, Program, make_program, waiting_request
from tests.integration.chat.factories import make_person
from tests.valkey import Valkey


async def background(program: Program, **more: Any) -> str:
    """The stream of an answer that goes on without its program."""
    body = {"model": "scripted", "messages": HELLO, "stream": True, "background": True, **more}
    async with program.http.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.status_code == 200
        return str(response.headers["X-Stream-Id"])


async def converse(program: Program, *texts: str) -> list[dict[str, Any]]:
    made = await program.http.post("/api/v1/conversations", json={"title": "Talk"})
    path = f"/api/v1/conversations/{made.json()['id']}/messages"
    return [(await program.http.post(path, json={"text": text})).json() for text in texts]


async def test_a_running_answer_ends_with_its_key_and_keeps_its_text(
    program: Program, provider: ScriptedProvider, engine: Engine
) -> None:
    stream = await background(program)
    call = await provider.call()
    call.say("Some of it")
    await engine.sees(stream, "Some of it")
    await revoking.revoke(program.key)
    stored = await engine.ends(stream)
    assert (stored.status, stored.text, stored.error_code) == (Status.STOPPED, "Some of it", "key_revoked")
    assert call.closed.is_set()


async def test_what_it_asked_in_conversations_ends_and_what_waits_there_is_never_asked(
    program: Program, provider: ScriptedProvider, engine: Engine
) -> None:
    first, second = await converse(program, "One", "Two")
    assert second["state"] == "pending"
    await provider.call()
    await revoking.revoke(program.key)
    assert (await engine.ends(first["stream_id"])).error_code == "key_revoked"
    waited = await database.call(Message.objects.get, pk=second["message_id"])
    assert waited.state == Message.State.DROPPED
    assert await database.call(Generation.objects.count) == 1
    assert len(provider.calls) == 1


async def test_what_another_key_of_the_same_person_asked_goes_on(
    program: Program, provider: ScriptedProvider, engine: Engine
) -> None:
    other = await database.call(make_program, program.server, user=program.user)
    stream = await background(other)
    call = await provider.call()
    await revoking.revoke(program.key)
    call.say("All of it.")
    call.finish()
    assert (await engine.ends(stream)).status == Status.COMPLETED
    await other.aclose()


async def test_a_request_that_was_let_in_just_before_ends_too(
    program: Program, provider: ScriptedProvider, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the key were revoked between the look at it and the commit, and that had found nothing yet."""
    write = asking._write

    def revoked_meanwhile(question: Any) -> Generation:
        ApiKey.objects.filter(pk=program.key.pk).update(revoked_at=program.key.created_at)
        return write(question)

    monkeypatch.setattr(asking, "_write", revoked_meanwhile)
    stream = await background(program)
    await engine.ends(stream)
    stored = await row(stream)
    assert (stored.status, stored.error_code) == (Status.STOPPED, "key_revoked")


@pytest.mark.django_db(transaction=True)
def test_the_page_ends_what_waits(valkey: Valkey, change: Change) -> None:
    change(on_ended="chat.api.hooks.generation_ended")
    made = keys.create_key(make_person("ann"), "leaked")
    waiting = waiting_request(made.key, model="scripted")
    client = Client()
    client.force_login(made.key.user)
    page = client.get("/accounts/api-keys/").content.decode()
    assert "ends what it asked for" in page
    revoke = re.search(r'action="(/accounts/api-keys/[^"]+)"', page)
    assert revoke is not None
    client.post(revoke[1])
    waiting.refresh_from_db()
    assert (waiting.status, waiting.error_code) == (Status.STOPPED, "key_revoked")
    assert ApiRequest.objects.get().prompt == {}
