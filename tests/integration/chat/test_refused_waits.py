"""A question that would wait too long is refused before anything is written, and one that was accepted never is."""

from __future__ import annotations

from typing import Any

import pytest

from chat.models import Message
from streaming import admission, database
from streaming.errors import Refused, Sentence
from streaming.models import Generation
from tests.acceptance.chat_client import CommandFailed
from tests.integration.chat.factories import make_conversation, make_person
from tests.integration.chat.live_server import LiveServer, cookie_of

SENTENCES = [Sentence(admission.FULL, {"model": "Demo"}), Sentence(admission.OTHERS, {"others": "Small (20 s)"})]
TOO_LONG = Refused(SENTENCES, code="wait_too_long", retryable=True, retry_after_s=40.0)


async def make_owner() -> tuple[Any, str]:
    def make() -> tuple[Any, str]:
        ann = make_person()
        return make_conversation(ann), cookie_of(ann)

    made: tuple[Any, str] = await database.call(make)
    return made


async def test_a_full_line_refuses_a_new_question_and_not_one_that_it_took(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation, cookie = await make_owner()
    first = {"conversation": str(conversation.pk), "client_message_id": "a", "text": "First"}
    async with server.client(cookie) as client:
        accepted = await client.command("message.send", **first)

        async def full(*_: Any) -> Refused:
            return TOO_LONG

        monkeypatch.setattr(admission, "refusal", full)
        with pytest.raises(CommandFailed) as refused:
            await client.command("message.send", **first | {"client_message_id": "b"})
        assert refused.value.code == "wait_too_long"
        told = next(frame for frame in reversed(client.received) if frame["type"] == "error")
        assert (told["retryable"], told["retry_after_s"]) == (True, 40.0)
        assert told["message"] == "Too many questions wait for Demo. Others now: Small (20 s)."
        assert told["sentences"] == [{"text": one.text, "values": dict(one.values)} for one in SENTENCES]
        again = await client.command("message.send", **first)
        assert (again["message"], again["generation"]) == (accepted["message"], accepted["generation"])
    assert await database.call(Message.objects.filter(role="user").count) == 1
    assert await database.call(Generation.objects.count) == 1


async def test_a_model_that_does_not_exist_is_still_named(server: LiveServer) -> None:
    conversation, cookie = await make_owner()
    async with server.client(cookie) as client:
        with pytest.raises(CommandFailed) as refused:
            await client.command(
                "message.send", conversation=str(conversation.pk), client_message_id="a", text="x", model="nobody"
            )
        assert refused.value.code == "unknown_model"
