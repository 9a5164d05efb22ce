from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone
from redis.asyncio import Redis

from streaming import conf, dispatcher, lane_tickets, lanes, tasks
from streaming.lane_values import Standing, Ticket, Used
from streaming.lifecycle import queued_event
from streaming.states import Status
from tests.engine import LANE, Change, ask, change_row, close_clients, open_lane, row
from tests.producers import body_of, forget_producers
from tests.valkey import Valkey

QUEUE = "generate"


@pytest.fixture(autouse=True)
async def _broker(transactional_db: None, streaming_settings: dict[str, Any]) -> AsyncIterator[None]:
    """A lane that stands. The connections of the producers are closed; the next test gets new ones."""
    await open_lane()
    yield
    await close_clients()
    await forget_producers()


async def messages(client: Redis) -> list[list[Any]]:
    """The arguments of the tasks that wait in the broker, without the time of their sending, which is just now."""
    found = []
    for raw in await client.lrange(QUEUE, 0, -1):
        message = json.loads(raw)
        assert message["headers"]["task"] == tasks.run_generation.name
        *words, handed_ms = body_of(message)[0]
        assert abs(time.time() * 1000 - handed_ms) < 60_000
        found.append(words)
    return found


async def names(client: Redis) -> list[str]:
    return sorted(name for name, _, _ in await messages(client))


async def standing(generation_id: str) -> Standing | None:
    (found,) = await lanes.store(LANE).standings([generation_id])
    return found


async def limit(**limits: Any) -> None:
    chosen = replace(lanes.configured(LANE), **limits)
    await dispatcher.ask(LANE, lambda lane: lane.configure(chosen))


async def test_a_generation_that_may_start_becomes_a_task(direct: Redis) -> None:
    generation_id = await ask()
    assert await dispatcher.enqueue(generation_id)
    ((name, admission, lane),) = await messages(direct)
    assert (name, lane) == (generation_id, LANE)
    assert (await lanes.store(LANE).start(Ticket(name, admission), "worker")).status == "OK"


async def test_the_fast_path_writes_nothing_to_the_row(direct: Redis) -> None:
    generation_id = await ask()
    await dispatcher.enqueue(generation_id)
    stored = await row(generation_id)
    assert (stored.lane_tag, stored.lane_seq) == (None, None)


async def test_whoever_has_to_wait_is_not_sent_and_its_place_is_in_its_row(direct: Redis) -> None:
    await limit(concurrency=1)
    first, second = await ask(), await ask()
    assert await dispatcher.enqueue(first)
    assert await dispatcher.enqueue(second)
    assert await names(direct) == [first]
    stored = await row(second)
    found = await standing(second)
    assert found is not None
    assert (stored.lane_tag, stored.lane_seq) == found.place
    assert queued_event(stored).reason == "waiting"


async def test_whoever_may_start_because_of_another_is_sent_too(direct: Redis) -> None:
    await limit(concurrency=1)
    ids = [await ask() for _ in range(3)]
    for generation_id in ids:
        await dispatcher.enqueue(generation_id)
    ((name, admission, _),) = await messages(direct)
    store = lanes.store(LANE)
    await store.start(Ticket(name, admission), "worker")
    answer = await dispatcher.ask(LANE, lambda lane: lane.settle(Ticket(name, admission), Used(1, 1, 6), good=True))
    assert answer is not None
    assert answer.status == "OK"
    assert len(await messages(direct)) == 2


async def test_a_row_made_here_is_not_read_again(direct: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    generation_id = await ask()
    lane_tickets.remember(await row(generation_id))

    def read(generation_id: str) -> None:
        raise AssertionError("it is known")

    monkeypatch.setattr(lane_tickets, "entry_of", read)
    assert await dispatcher.enqueue(generation_id)
    assert await names(direct) == [generation_id]


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_tickets, "REMEMBERED_MAX", 2)
    ids = [await ask() for _ in range(3)]
    for generation_id in ids:
        lane_tickets.remember(await row(generation_id))
    assert [lane_tickets.take_remembered(generation_id) is not None for generation_id in ids] == [False, True, True]


async def test_what_does_not_wait_any_more_gets_no_ticket(direct: Redis) -> None:
    generation_id = await ask(status=Status.STOPPED)
    assert await dispatcher.enqueue(generation_id)
    assert await messages(direct) == []
    assert await standing(generation_id) is None


@pytest.mark.parametrize("fields", [{"lane": ""}, {"stop": True}, {"deadline_at": timezone.now()}])
async def test_what_asks_no_provider_needs_no_permission(direct: Redis, fields: dict[str, Any]) -> None:
    await limit(concurrency=0)
    if fields.pop("stop", False):
        fields = {"stop_requested_at": timezone.now()}
    generation_id = await ask(**fields)
    assert await dispatcher.enqueue(generation_id)
    assert await messages(direct) == [[generation_id, 0, ""]]


async def test_a_lane_that_lost_its_memory_is_a_queue_that_is_away(direct: Redis) -> None:
    generation_id = await ask()
    await direct.flushall()
    for call in (dispatcher.enqueue, dispatcher.wake, dispatcher.cancel):
        assert not await call(generation_id)
    assert (await row(generation_id)).status == Status.QUEUED
    await open_lane()
    assert await dispatcher.wake(generation_id)
    assert await names(direct) == [generation_id]


async def test_whoever_leaves_the_line_lets_the_next_one_start(direct: Redis) -> None:
    await limit(concurrency=1)
    ids = [await ask() for _ in range(3)]
    for generation_id in ids:
        await dispatcher.enqueue(generation_id)
    await change_row(ids[1], status=Status.STOPPED)
    assert await dispatcher.cancel(ids[1])
    assert await standing(ids[1]) is None
    await limit(concurrency=2)
    assert await names(direct) == sorted([ids[0], ids[2]])


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
    change(enqueue_timeout_s=1.0)
    if was_used:
        assert await dispatcher.enqueue(await ask())
    ids = [await ask() for _ in range(15)]
    loop = asyncio.get_running_loop()
    await outage(valkey)
    try:
        started = loop.time()
        results = await asyncio.gather(*(dispatcher.enqueue(generation_id) for generation_id in ids))
        assert results == [False] * 15
        assert loop.time() - started < 10.0  # one after the other would take 15
    finally:
        valkey.resume() if outage is paused else valkey.start()
    if outage is away:
        await open_lane()
    assert await dispatcher.enqueue(ids[0])  # at once: nobody is still busy with the outage


async def test_it_works_again_as_soon_as_the_queue_is_back(valkey: Valkey, direct: Redis) -> None:
    first, second = await ask(), await ask()
    assert await dispatcher.enqueue(first)
    await asyncio.to_thread(valkey.restart)
    await open_lane()
    assert await dispatcher.enqueue(second)
    assert len(await messages(direct)) == 1


async def test_the_loop_goes_on_while_the_queue_hangs(valkey: Valkey) -> None:
    assert await dispatcher.enqueue(await ask())
    generation_id = await ask()
    valkey.pause()
    try:
        task = asyncio.create_task(dispatcher.enqueue(generation_id))
        loop = asyncio.get_running_loop()
        longest = 0.0
        while not task.done():
            before = loop.time()
            await asyncio.wait({task}, timeout=0.01)
            longest = max(longest, loop.time() - before)
        assert longest < 0.75 * conf.get().enqueue_timeout_s
    finally:
        valkey.resume()
