"""A worker that rests takes up nothing new, says so, and lets what runs go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from redis.asyncio import Redis

from streaming import bridge, database, worker_orders, worker_slots, workers_now
from streaming.bridge import Bridge
from streaming.lane_values import Ticket
from streaming.models import Generation
from streaming.workers_now import Pace, WorkerNow
from tests.engine import SETTINGS, create_row
from tests.valkey import Valkey

T = TypeVar("T")
DEMO = {"alias": "scripted", "label": "Demo", "provider": "demo", "model": "demo", "options": {"tokens_per_second": 0}}


@pytest.fixture(autouse=True)
def _settings(settings: Any, valkey: Valkey, transactional_db: None) -> None:
    settings.STREAMING = SETTINGS | {"redis_url": valkey.url, "models": (DEMO,)}


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bridge]:
    monkeypatch.setattr(worker_orders, "PERIOD_S", 0.02)
    running = Bridge()
    yield running
    running.close()
    database.shutdown()


def ask(valkey: Valkey, work: Callable[[Redis], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Redis.from_url(valkey.url) as client:
            return await work(client)

    return asyncio.run(run())


def seen(valkey: Valkey) -> WorkerNow:
    (only,) = ask(valkey, workers_now.workers_now)
    return only


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_order_is_followed_until_another_one_is_given(worker: Bridge, valkey: Valkey) -> None:
    told: list[bool] = []
    worker.fetch = told.append
    assert (seen(valkey).state, seen(valkey).slots_max) == ("working", worker.slots_max)
    ask(valkey, lambda client: worker_orders.give(client, worker.worker_id, "rest"))
    until(lambda: seen(valkey).state == "resting")
    assert ask(valkey, worker_slots.total) == 0
    ask(valkey, lambda client: worker_orders.give(client, worker.worker_id, "work"))
    until(lambda: seen(valkey).state == "working")
    assert ask(valkey, worker_slots.total) == worker.slots_max
    assert told == [False, True]


def test_whoever_rests_goes_on_resting_when_redis_forgets_the_order(worker: Bridge, valkey: Valkey) -> None:
    ask(valkey, lambda client: worker_orders.give(client, worker.worker_id, "rest"))
    until(lambda: seen(valkey).state == "resting")
    ask(valkey, lambda client: client.flushall())
    worker.run(worker._renew_lease(worker._slots()))
    time.sleep(0.1)  # a few looks for orders
    assert worker.runner.rests
    assert seen(valkey).state == "resting"


def test_a_ticket_that_reaches_a_resting_worker_goes_back_to_its_lane(
    worker: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned: list[str] = []

    async def give_back(self: Any, penalty: Any, used: Any = None) -> None:
        returned.append(self.ticket.generation_id)

    monkeypatch.setattr("streaming.lane_run.LaneRun.give_back", give_back)
    generation_id = create_row(lane="")
    worker.runner.rests = True
    worker.run_generation(Ticket(generation_id))
    assert returned == [generation_id]
    assert Generation.objects.get().attempt == 0
    worker.runner.rests = False
    worker.run_generation(Ticket(generation_id))
    assert Generation.objects.get().attempt == 1
    assert worker.runner.tokens() > 0


def test_the_pace_is_what_came_since_the_last_look(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(workers_now.time, "monotonic", lambda: now[0])
    pace = Pace()
    now[0] = 102.0
    assert pace.per_s(50) == 25.0
    now[0] = 103.0
    assert pace.per_s(50) == 0.0


def test_there_is_nobody_without_a_worker(valkey: Valkey) -> None:
    assert ask(valkey, workers_now.workers_now) == []
    assert bridge._bridge is None
