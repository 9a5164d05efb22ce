"""The keys of a person who is no longer active spend nothing more: what they asked for ends as a revoked key's does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections, transaction
from django.test import Client

from chat.api import asking, key_watch, keys, revoking
from chat.api.models import ApiRequest, KeyMessage
from chat.models import Conversation, Message
from streaming import database
from streaming.models import Generation
from streaming.states import Status
from tests.engine import Change, Engine, ScriptedProvider, has_status
from tests.integration.api.program import Program, make_program, waiting_request
from tests.integration.api.test_revoking import background, converse
from tests.integration.chat.factories import answer_of, make_conversation, make_person, send
from tests.valkey import Valkey


def deactivate(user: Any) -> None:
    user.is_active = False
    user.save()


async def deactivate_in_request(user: Any) -> None:
    """As a view does: in a thread of its own, which no loop's database calls wait for."""

    def save() -> None:
        try:
            deactivate(user)
        finally:
            connections.close_all()

    await asyncio.to_thread(save)


def deactivate_in_bulk(user: Any) -> None:
    """No service, no signal."""
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)


async def test_a_running_answer_ends_with_its_owner_and_keeps_its_text(
    program: Program, provider: ScriptedProvider, engine: Engine
) -> None:
    stream = await background(program)
    call = await provider.call()
    call.say("Some of it")
    await engine.sees(stream, "Some of it")
    await deactivate_in_request(program.user)
    stored = await engine.ends(stream)
    assert (stored.status, stored.text, stored.error_code) == (Status.STOPPED, "Some of it", "owner_inactive")
    assert call.closed.is_set()


async def test_what_waits_in_conversations_is_never_asked(
    program: Program, provider: ScriptedProvider, engine: Engine
) -> None:
    first, second = await converse(program, "One", "Two")
    await provider.call()
    await deactivate_in_request(program.user)
    assert (await engine.ends(first["stream_id"])).error_code == "owner_inactive"
    waited = await database.call(Message.objects.get, pk=second["message_id"])
    assert (waited.state, waited.text) == (Message.State.DROPPED, "")
    assert await database.call(Generation.objects.count) == 1


async def test_after_a_bulk_update_the_next_look_ends_it(
    program: Program, provider: ScriptedProvider, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_watch, "PERIOD_S", 0.2)
    other = await database.call(make_program, program.server)
    first, second = await converse(program, "One", "Two")
    await provider.call(1)
    others = await background(other)
    goes_on = await provider.call(2)
    await database.call(deactivate_in_bulk, program.user)
    assert (await has_status(first["stream_id"], Status.STOPPED)).error_code == "owner_inactive"
    assert (await database.call(Message.objects.get, pk=second["message_id"])).state == Message.State.DROPPED
    goes_on.finish()
    assert (await engine.ends(others)).status == Status.COMPLETED
    await other.aclose()


async def test_the_watch_ends_when_nothing_is_left(
    program: Program, provider: ScriptedProvider, engine: Engine
) -> None:
    stream = await background(program)
    call = await provider.call()
    assert await key_watch.look()
    call.finish()
    await engine.ends(stream)
    assert not await key_watch.look()


async def test_a_request_that_was_let_in_just_before_ends_too(
    program: Program, provider: ScriptedProvider, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = asking._write

    def deactivated_meanwhile(question: Any) -> Generation:
        deactivate_in_bulk(program.user)
        return write(question)

    monkeypatch.setattr(asking, "_write", deactivated_meanwhile)
    monkeypatch.setattr(key_watch, "PERIOD_S", 60.0)
    stored = await engine.ends(await background(program))
    assert (stored.status, stored.error_code) == (Status.STOPPED, "owner_inactive")


@pytest.mark.django_db(transaction=True)
def test_the_admin_ends_it_with_the_same_commit(valkey: Valkey, change: Change) -> None:
    change(on_ended="chat.api.hooks.generation_ended")
    made = keys.create_key(make_person("ann"), "leaked")
    waiting = waiting_request(made.key, model="scripted")
    client = Client()
    client.force_login(make_person("boss", is_staff=True, is_superuser=True))
    form = {"username": "ann", "date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    page = client.post(f"/admin/auth/user/{made.key.user_id}/change/", form)
    assert page.status_code == 302, page.content.decode()
    waiting.refresh_from_db()
    assert (waiting.status, waiting.error_code) == (Status.STOPPED, "owner_inactive")
    assert ApiRequest.objects.get().prompt == {}


@pytest.mark.django_db(transaction=True)
def test_the_wish_is_in_the_transaction_that_saves_the_person(valkey: Valkey) -> None:
    """A deactivation that is taken back ends nothing."""
    made = keys.create_key(make_person(), "mine")
    waiting = waiting_request(made.key, model="demo")

    def seen() -> bool:
        return Generation.objects.filter(pk=waiting.pk, stop_requested_at__isnull=False).exists()

    with pytest.raises(RuntimeError, match="taken back"):
        _deactivate_and_fail(made.key.user, seen)
    assert not seen()


def _deactivate_and_fail(user: Any, seen: Any) -> None:
    with transaction.atomic():
        deactivate(user)
        assert seen()
        raise RuntimeError("taken back")


@pytest.mark.django_db(transaction=True)
def test_a_shared_conversation_keeps_what_its_people_asked(valkey: Valkey) -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    first = send(ann, conversation, "Ann's, on the page")
    by_key, next_one = send(bob, conversation, "By Bob's key"), send(ann, conversation, "Next")
    on_page = send(bob, conversation, "Bob's own, on the page")
    KeyMessage.objects.create(message_id=by_key.message, key=keys.create_key(bob, "his").key)
    revision = Conversation.objects.get().revision
    deactivate(bob)
    states = dict(Message.objects.filter(author__isnull=False).values_list("pk", "state"))
    assert states[by_key.message] == Message.State.DROPPED
    assert states[next_one.message] == states[on_page.message] == Message.State.PENDING
    assert Generation.objects.get(pk=first.generation).stop_requested_at is None
    assert Conversation.objects.get().revision == revision + 1, "its people are told"


@pytest.mark.django_db(transaction=True)
def test_another_save_of_a_person_ends_nothing(valkey: Valkey) -> None:
    ann = make_person()
    asked = send(ann, make_conversation(ann))
    KeyMessage.objects.create(message_id=asked.message, key=keys.create_key(ann, "hers").key)
    ann.save()
    ann.is_active = False
    ann.save(update_fields=["last_name"])
    generation = answer_of(asked).generation
    assert generation is not None
    assert generation.stop_requested_at is None
    deactivate(ann)
    generation.refresh_from_db()
    assert (generation.status, generation.error_code) == (Status.STOPPED, revoking.OwnerInactive.code)
