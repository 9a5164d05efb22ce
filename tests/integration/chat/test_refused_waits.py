"""A question that would wait too long is refused before anything is written, and one that was accepted never is."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from chat import command_handlers, pages
from chat.models import Message
from streaming import admission, budget_refusals, database, providers
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
        text, values = _first_sentence(client)
        assert (text, values) == (providers.UNKNOWN, {"model": "'nobody'"})


def _first_sentence(client: Any) -> tuple[str, dict[str, Any]]:
    told = next(frame for frame in reversed(client.received) if frame["type"] == "error")
    return told["sentences"][0]["text"], told["sentences"][0]["values"]


async def test_a_spent_budget_is_told_in_sentences_that_every_language_has(server: LiveServer, settings: Any) -> None:
    settings.STREAMING = settings.STREAMING | {"user_tokens_per_day": 1000}
    conversation, cookie = await make_owner()
    async with server.client(cookie) as client:
        with pytest.raises(CommandFailed) as refused:
            await client.command("message.send", conversation=str(conversation.pk), client_message_id="a", text="x")
        assert refused.value.code == "budget_spent"
        text, values = _first_sentence(client)
    assert (text, values["whole"]) == (budget_refusals.NEVER["own", "day"], 1000)


async def test_a_socket_that_watches_too_much_is_told_so_in_every_language(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_handlers, "CONVERSATIONS_PER_SOCKET", 0)
    conversation, cookie = await make_owner()
    async with server.client(cookie) as client:
        with pytest.raises(CommandFailed) as refused:
            await client.command("conversation.subscribe", conversation=str(conversation.pk))
        assert refused.value.code == "too_many"
        assert _first_sentence(client) == ("One socket watches at most %(count)s conversations.", {"count": 0})


def test_pages_write_the_values_as_their_readers_do() -> None:
    words = {"whole": 1000, "left": 400}
    refused = Refused(
        [Sentence(budget_refusals.LEFT["own", "tokens", "day"], words), Sentence(budget_refusals.ASK_LESS, {})]
    )
    assert pages._words(refused) == refused.message
    assert "1,000" in refused.message
    with translation.override("de"):
        assert pages._words(refused).startswith("Von deinen 1.000 Token für heute sind 400 übrig. Frage")
