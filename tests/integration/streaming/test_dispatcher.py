from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from celery import current_app
from kombu import pools
from redis.asyncio import Redis

from streaming import conf, dispatcher, lanes, tasks
from streaming.lane_values import Ticket
from tests.engine import Change
from tests.valkey import Valkey

GENERATION = "0b6f3a52-8f0e-4d2c-9a55-2f6d0a6b7c11"
QUEUE = "generate"


@pytest.fixture(autouse=True)
async def _broker(streaming_settings: dict[str, Any]) -> AsyncIterator[None]:
    """The connections of the producers are closed; the next test gets new ones."""
    yield
    await asyncio.to_thread(pools.reset)
    current_app._pool = current_app.amqp._producer_pool = None


async def messages(client: Redis) -> list[tuple[str, list[Any]]]:
    """The tasks that wait in the broker: name and arguments."""
    found = []
    for raw in await client.lrange(QUEUE, 0, -1):
        message = json.loads(raw)
        arguments, _, _ = json.loads(base64.b64decode(message["body"]))
        found.append((message["headers"]["task"], arguments))
    return found


async def test_a_generation_that_may_start_becomes_a_task(direct: Redis) -> None:
    assert await dispatcher.enqueue(GENERATION)
    assert await messages(direct) == [(tasks.run_generation.name, [GENERATION, 0])]


async def test_whoever_may_start_because_of_a_settled_ticket_is_sent_too(
    direct: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lane:
        async def enqueue(self, generation_id: str) -> list[Ticket]:
            return []

        async def settle(self, ticket: Ticket) -> list[Ticket]:
            return [Ticket("next", 7), Ticket("after next", 8)]

    monkeypatch.setattr(lanes, "get", Lane)
    assert await dispatcher.enqueue(GENERATION)
    assert await messages(direct) == []
    assert await dispatcher.settle(Ticket(GENERATION, 3))
    assert sorted(arguments for _, arguments in await messages(direct)) == [["after next", 8], ["next", 7]]


async def away(valkey: Valkey) -> None:
    valkey.kill()


async def paused(valkey: Valkey) -> None:
    valkey.pause()


Outage = Callable[[Valkey], Awaitable[None]]


@pytest.mark.parametrize("was_used", [False, True])
@pytest.mark.parametrize("outage", [away, paused])
async def test_a_queue_that_is_away_is_said_in_time_and_forgotten_when_it_is_back(
    change: Change, valkey: Valkey, outage: Outage, was_used: bool
) -> None:
    assert conf.get().enqueue_timeout_s == 2.0
    change(enqueue_timeout_s=0.5)
    if was_used:
        assert await dispatcher.enqueue(GENERATION)
    loop = asyncio.get_running_loop()
    await outage(valkey)
    try:
        started = loop.time()
        results = await asyncio.gather(*(dispatcher.enqueue(GENERATION) for _ in range(4)))
        assert results == [False] * 4
        assert loop.time() - started < 1.0
    finally:
        valkey.resume() if outage is paused else valkey.start()
    assert await dispatcher.enqueue(GENERATION)  # at once: nobody is still busy with the outage


async def test_it_works_again_as_soon_as_the_queue_is_back(valkey: Valkey, direct: Redis) -> None:
    assert await dispatcher.enqueue(GENERATION)
    await asyncio.to_thread(valkey.restart)
    assert await dispatcher.enqueue(GENERATION)
    assert len(await messages(direct)) == 1


async def test_the_loop_goes_on_while_the_queue_hangs(valkey: Valkey) -> None:
    assert await dispatcher.enqueue(GENERATION)
    valkey.pause()
    try:
        task = asyncio.create_task(dispatcher.enqueue(GENERATION))
        loop = asyncio.get_running_loop()
        longest = 0.0
        while not task.done():
            before = loop.time()
            await asyncio.wait({task}, timeout=0.01)
            longest = max(longest, loop.time() - before)
        assert longest < 0.5
    finally:
        valkey.resume()
