"""Batches on a connection of one's own: replies in order, refusals as values, and never the reply of another batch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis import RedisError, ResponseError
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from streaming import append_pipe
from streaming.append_pipe import AppendPipe
from tests.valkey import Valkey


@pytest.fixture
async def pipe(streaming_settings: dict[str, Any]) -> AsyncIterator[AppendPipe]:
    pipe = AppendPipe()
    yield pipe
    await pipe.aclose()


async def test_replies_come_in_the_order_of_the_commands(pipe: AppendPipe) -> None:
    texts = [f"text {number}: ä\r\n😀" for number in range(300)]
    assert await pipe.call([("ECHO", text) for text in texts]) == [text.encode() for text in texts]
    assert await pipe.call([("ECHO", b"\x00\xff"), ("STRLEN", "nobody")]) == [b"\x00\xff", 0]


async def test_what_the_server_refuses_is_a_value_and_the_others_run(pipe: AppendPipe) -> None:
    commands = [("SET", "a", 1), ("LPUSH", "a", "x"), ("EVALSHA", "f" * 40, 0), ("GET", "a")]
    done, wrong, unknown, read = await pipe.call(commands)
    assert (done, read) == (b"OK", b"1")
    assert isinstance(wrong, ResponseError)
    assert isinstance(unknown, NoScriptError)


async def test_a_batch_that_came_too_late_leaves_no_replies_to_the_next(
    pipe: AppendPipe, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await pipe.call([("ECHO", "first")]) == [b"first"]
    monkeypatch.setattr(append_pipe, "ANSWER_S", 0.1)
    async with Redis.from_url(valkey.url) as other:
        await other.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        with pytest.raises(TimeoutError):
            await pipe.call([("INCR", "late"), ("INCR", "later")])
        await other.execute_command("CLIENT", "UNPAUSE")
    monkeypatch.undo()
    assert await pipe.call([("ECHO", "next")]) == [b"next"]


async def test_a_batch_that_was_given_up_leaves_none_either(pipe: AppendPipe, valkey: Valkey) -> None:
    async with Redis.from_url(valkey.url) as other:
        await other.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        given_up = asyncio.create_task(pipe.call([("INCR", "nobody reads it")]))
        await asyncio.sleep(0.05)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        await other.execute_command("CLIENT", "UNPAUSE")
    assert await pipe.call([("ECHO", "next")]) == [b"next"]


async def test_a_lost_connection_fails_one_batch(pipe: AppendPipe, valkey: Valkey) -> None:
    [number] = await pipe.call([("CLIENT", "ID")])
    async with Redis.from_url(valkey.url) as other:
        await other.execute_command("CLIENT", "KILL", "ID", number)
    with pytest.raises((RedisError, OSError)):
        await pipe.call([("ECHO", "lost")])
    assert await pipe.call([("ECHO", "next")]) == [b"next"]
