from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from redis.asyncio import Redis

from streaming import conf, database, dispatcher, fanout, keys, pacer
from streaming.events import Expired, Position, decode
from streaming.lane_keeper import LaneKeepers
from streaming.models import Generation, Lane
from streaming.pacer import Pacer
from streaming.states import Status
from tests import engine as doubles
from tests.engine import LANE, Change, Engine, ask, has_status, row, until
from tests.valkey import Valkey


class Queue:
    """Where tasks would be sent."""

    def __init__(self) -> None:
        self.woken: list[str] = []
        self.ended: list[str] = []
        self.is_there = True

    async def wake(self, generation_id: str) -> bool:
        self.woken.append(generation_id)
        return self.is_there

    async def end(self, generation_id: str) -> bool:
        self.ended.append(generation_id)
        return self.is_there


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    there = Queue()
    monkeypatch.setattr(dispatcher, "wake", there.wake)
    monkeypatch.setattr(dispatcher, "end", there.end)
    return there


@pytest.fixture
async def paced(engine: Engine, queue: Queue, direct: Redis) -> AsyncIterator[Pacer]:
    """A pacer that only does what it is told: somebody else leads."""
    await direct.set(keys.PACER_LEADER, "somebody else")
    quiet = Pacer("worker-1")
    yield quiet
    await quiet.aclose()


async def test_a_row_that_was_never_sent_is_woken_when_it_is_due(change: Change, engine: Engine, queue: Queue) -> None:
    change(pacer_period_s=0.02)
    now = timezone.now()
    later, due = await ask(wake_at=now + timedelta(minutes=1)), await ask(wake_at=now)
    leader = Pacer("worker-1")
    try:
        await until(lambda: queue.woken)
        assert queue.woken == [due]
        assert (await row(due)).wake_at > now + timedelta(seconds=5)
        assert later not in queue.woken
    finally:
        await leader.aclose()


async def test_a_queue_that_is_away_is_not_asked_for_every_row(paced: Pacer, queue: Queue) -> None:
    queue.is_there = False
    for _ in range(5):
        await ask()
    await paced.pace()
    assert len(queue.woken) == 1


async def test_whoever_waited_too_long_expires_and_viewers_hear_it(
    paced: Pacer, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[str] = []

    async def note(group: str, position: Position, frame: str) -> bool:
        announced.append(frame)
        return True

    monkeypatch.setattr(fanout, "announce", note)
    overdue, waiting = await ask(deadline_at=timezone.now()), await ask()
    await paced.pace()
    stored = await row(overdue)
    assert (stored.status, stored.error_code, stored.error_retryable) == (Status.EXPIRED, "expired", True)
    (frame,) = announced
    event = decode(frame)
    assert isinstance(event, Expired)
    assert event.generation == overdue
    assert doubles.ended == [overdue]
    assert queue.woken == [waiting]


@pytest.mark.parametrize(
    ("order", "asked_ago", "expires"),
    [
        ({"held": "pause"}, timedelta(minutes=14), False),
        ({"held": "pause", "held_until": timedelta(minutes=1)}, timedelta(minutes=14), False),
        ({"held": "pause", "held_until": timedelta(0)}, timedelta(minutes=14), True),
        ({"held": "drain"}, timedelta(minutes=14), True),
        ({}, timedelta(minutes=14), True),
        ({"held": "pause"}, timedelta(hours=25), True),
    ],
    ids=["paused", "paused for a while", "it went on", "drained", "open", "for a day"],
)
async def test_a_question_that_an_administrator_lets_wait_keeps_its_place(
    engine: Engine, paced: Pacer, order: dict[str, Any], asked_ago: timedelta, expires: bool
) -> None:
    now = timezone.now()
    values = {name: now + value if isinstance(value, timedelta) else value for name, value in order.items()}
    await database.call(Lane.objects.update_or_create, name=LANE, defaults=values)
    generation_id = await ask(deadline_at=now)
    await database.call(Generation.objects.filter(pk=generation_id).update, requested_at=now - asked_ago)
    await paced.pace()
    stored = await row(generation_id)
    assert (stored.status == Status.EXPIRED) is expires
    assert expires or stored.deadline_at > now + timedelta(seconds=conf.get().queue_deadline_s - 60)


async def test_whoever_has_text_is_ended_by_a_worker_with_all_of_it(paced: Pacer, queue: Queue) -> None:
    with_text = await ask(deadline_at=timezone.now(), text="seen", crashes=1)
    await paced.pace()
    assert (await row(with_text)).status == Status.QUEUED
    assert queue.ended == [with_text]
    assert queue.woken == []


async def test_only_one_of_many_leads_and_another_follows_when_it_is_gone(
    change: Change, engine: Engine, queue: Queue, direct: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacer, "LEASE_MS", 1000)
    change(pacer_period_s=0.02)
    rounds: list[str] = []

    async def note(self: Pacer) -> None:
        rounds.append(self._worker_id)

    async def nothing(self: LaneKeepers, *_: float) -> None:
        pass

    monkeypatch.setattr(Pacer, "pace", note)
    monkeypatch.setattr(LaneKeepers, "lead", nothing)
    pacers = {name: Pacer(name) for name in ("one", "two", "three")}
    try:
        await until(lambda: len(rounds) > 20)
        (leader,) = set(rounds)
        assert await direct.get(keys.PACER_LEADER) == leader.encode()
        await pacers.pop(leader).aclose()
        rounds.clear()
        await until(lambda: len(rounds) > 20)
        assert len(set(rounds)) == 1
        assert set(rounds) < set(pacers)
    finally:
        for one in pacers.values():
            await one.aclose()


async def test_it_goes_on_after_an_outage(change: Change, engine: Engine, queue: Queue, valkey: Valkey) -> None:
    change(pacer_period_s=0.02)
    leader = Pacer("worker-1")
    try:
        valkey.kill()
        generation_id = await ask()
        await asyncio.to_thread(valkey.start)
        await until(lambda: queue.woken)
        assert queue.woken == [generation_id]
    finally:
        await leader.aclose()


async def test_a_row_that_nobody_sent_is_answered_in_the_end(change: Change, engine: Engine) -> None:
    change(pacer_period_s=0.02)
    generation_id = await ask()
    leader = Pacer("worker-1")
    try:
        call = await engine.provider.call()
        call.say("late, but here")
        call.finish()
        await has_status(generation_id, Status.COMPLETED)
    finally:
        await leader.aclose()
