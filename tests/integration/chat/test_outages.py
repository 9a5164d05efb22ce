"""Redis or the database away: what was accepted stays, sockets live on, and nobody is told a lie."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError

from chat import access, services
from chat.models import Message
from streaming import database
from tests.acceptance.chat_client import CommandFailed
from tests.integration.chat.factories import make_conversation, make_person
from tests.integration.chat.live_server import LiveServer, RecordingClient, cookie_of
from tests.valkey import Valkey


@pytest.fixture
def redis_away(valkey: Valkey) -> Iterator[Valkey]:
    """To be ended by the test; started again afterwards whatever happens."""
    yield valkey
    if valkey.process is None:
        valkey.start()


def make_scene() -> tuple[str, str]:
    ann = make_person()
    return cookie_of(ann), str(make_conversation(ann).pk)


def is_said_to_wait(client: RecordingClient, generation: str) -> bool:
    said = {"type": "stream.queued", "generation": generation, "reason": "waiting_for_queue"}
    return any(said.items() <= frame.items() for frame in client.received)


async def test_without_redis_a_message_is_accepted_and_said_to_wait(server: LiveServer, redis_away: Valkey) -> None:
    cookie, key = await database.call(make_scene)
    async with server.client(cookie) as one, server.client(cookie) as other:
        for client in (one, other):
            await client.follow(key)
        redis_away.kill()
        answer = await one.command("message.send", conversation=key, client_message_id="c", text="Hello", timeout_s=2)
        assert await database.call(Message.objects.filter(pk=answer["message"]).exists)
        for client in (one, other):
            await client.until(lambda client=client: answer["message"] in client.conversations[key]["messages"])
            await client.until(lambda client=client: is_said_to_wait(client, answer["generation"]), timeout_s=10)
        more = await one.command("message.send", conversation=key, client_message_id="d", text="More", timeout_s=2)
        edited = await one.command("message.edit", message=more["message"], text="Hello again", timeout_s=2)
        assert edited["type"] == "ok"
        assert one.close_code is other.close_code is None


async def test_without_redis_a_conversation_opens_from_the_database(server: LiveServer, redis_away: Valkey) -> None:
    cookie, key = await database.call(make_scene)
    redis_away.kill()
    async with server.client(cookie) as client:
        assert (await client.follow(key))["title"] == "Talk"


async def test_when_redis_is_back_news_arrive_again(server: LiveServer, redis_away: Valkey) -> None:
    cookie, key = await database.call(make_scene)
    async with server.client(cookie) as one, server.client(cookie) as other:
        await other.follow(key)
        redis_away.restart()
        async with asyncio.timeout(60):
            while not [frame for frame in other.frames if frame["type"] == "typing.started"]:
                await one.command("typing.start", conversation=key)
                await asyncio.sleep(2.1)


async def test_a_database_that_is_away_refuses_commands_and_closes_nothing(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie, key = await database.call(make_scene)

    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("database is locked")

    async with server.client(cookie) as client:
        with monkeypatch.context() as patched:
            patched.setattr(access, "check_role", away)
            patched.setattr(services, "send_message", away)
            for command, fields in (
                ("message.send", {"conversation": key, "client_message_id": "c", "text": "x"}),
                ("conversation.subscribe", {"conversation": key}),
            ):
                with pytest.raises(CommandFailed) as failed:
                    await client.command(command, **fields)
                assert (failed.value.code, failed.value.frame["retryable"]) == ("unavailable", True)
        await client.follow(key)
