"""The engine in its lane: who starts when, what a loss costs, and who may say that a run is over."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone
from redis.asyncio import Redis

from streaming import database, dispatcher, due, lane_run, lane_tickets, lanes, lifecycle, services
from streaming.lane_rebuild import Reconciler
from streaming.lane_values import Ticket
from streaming.providers.base import Finish, Limits, Text, Usage
from streaming.reaper import Reaper
from streaming.states import Status
from tests.engine import LANE, Change, Engine, ask, change_row, has_status, open_lane, row, until
from tests.integration.streaming.lane_sight import (
    asked_for,
    forget_lane,
    in_line,
    leaves,
    limit,
    running,
    seen,
    standing,
    stop_clock,
    waits,
)

# Starting and ending.


async def test_without_limits_everybody_starts_at_once(engine: Engine) -> None:
    ids = await in_line(engine, 12)
    assert {await asked_for(engine, number) for number in range(1, 13)} == set(ids)
    assert await running() == 12


async def test_an_end_lets_the_next_one_start(engine: Engine) -> None:
    await limit(concurrency=1)
    ids = await in_line(engine, 3)
    for number, generation_id in enumerate(ids, 1):
        call = await engine.provider.call(number)
        assert await asked_for(engine, number) == generation_id
        assert len(engine.provider.calls) == number
        call.say("x")
        call.finish()
        await has_status(generation_id, Status.COMPLETED)
    await leaves(ids[-1])
    assert await running() == 0


async def test_the_lane_is_charged_what_was_used(engine: Engine) -> None:
    await stop_clock()
    await limit(input_tokens_per_minute=60_000, output_tokens_per_minute=60_000, requests_per_minute=600)
    before = (await seen()).buckets
    await engine.run(Text("x"), Usage(500, 70, 100), Finish(), input_estimate=900, output_estimate=300)
    after = (await seen()).buckets
    used = {letter: round(before[letter].level - after[letter].level) for letter in before}
    assert used == {"r": 1, "i": 400, "o": 70}


async def test_whoever_asks_nothing_is_charged_no_tokens(engine: Engine) -> None:
    await stop_clock()
    await limit(input_tokens_per_minute=60_000)
    before = (await seen()).buckets["i"].level
    generation_id = await ask(input_estimate=900, stop_requested_at=timezone.now())
    ticket = (await lanes.store(LANE).enqueue(lane_tickets.request_of(await row(generation_id)))).drained.admitted[0]
    await engine.deliver(ticket)
    assert (await row(generation_id)).status == Status.STOPPED
    assert engine.provider.calls == []
    assert round(before - (await seen()).buckets["i"].level) == 0


async def test_a_claim_knows_its_admission(engine: Engine) -> None:
    generation_id, _ = await engine.begin()
    stored = await has_status(generation_id, Status.ADMITTED)
    assert (await lanes.store(LANE).beat([(Ticket(generation_id, stored.admission), 0)])) == [True]


async def test_the_second_delivery_of_a_message_leaves(engine: Engine) -> None:
    generation_id = await ask()
    ticket = await engine.broker.fetch(generation_id)
    tasks = [engine.deliver(ticket) for _ in range(5)]
    call = await engine.provider.call()
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await until(lambda: sum(task.done() for task in tasks) == 4)
    assert await running() == 1  # they settled nothing
    call.finish()
    await engine.ends(generation_id)
    assert (await row(generation_id)).attempt == 1


async def test_while_it_runs_its_lease_is_renewed_and_an_overrun_is_charged(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_run, "BEAT_S", 0.02)
    await stop_clock()
    await limit(output_tokens_per_minute=60_000)
    fresh = Engine(engine.provider, engine.broker)
    engine.broker.worker = fresh
    try:
        before = (await seen()).buckets["o"].level
        (generation_id,) = await in_line(engine, 1, output_estimate=10)
        call = await engine.provider.call()
        call.say("x" * 400)

        async def charged() -> bool:
            return round(before - (await seen()).buckets["o"].level) == 100

        await until(charged)
        call.finish()
        await fresh.ends(generation_id)
    finally:
        await fresh.aclose_workers()


async def test_what_the_provider_says_of_its_limits_reaches_the_lane(engine: Engine) -> None:
    await stop_clock()
    await limit(requests_per_minute=600)
    generation_id, call = await engine.begin()
    names = {"limit": "600", "remaining": "7", "reset": "2030-01-01T00:00:00Z"}
    call.send(Limits({f"anthropic-ratelimit-requests-{name}": value for name, value in names.items()}))
    call.finish()
    await engine.ends(generation_id)
    assert (await seen()).buckets["r"].level <= 7


# A worker is lost, or only late.


async def test_the_generation_of_a_lost_worker_goes_on_before_those_who_came_later(
    engine: Engine, direct: Redis
) -> None:
    await limit(concurrency=1)
    first = await ask()
    ticket = await engine.broker.fetch(first)
    assert (await lanes.store(LANE).start(ticket, "lost")).status == "OK"
    assert await database.call(lifecycle.claim, first, "lost", ticket.admission) is not None
    (second,) = await in_line(engine, 1)
    place = (await waits(second)).place
    assert await database.call(lifecycle.reap, "lost") == [first]
    await Reaper(direct)._wake(first)
    call = await engine.provider.call()
    assert await asked_for(engine, 1) == first
    assert (await waits(second)).place == place
    call.finish()
    assert await asked_for(engine, 2) == second


async def test_whoever_was_only_taken_for_dead_keeps_the_place_for_its_next_attempt(
    engine: Engine, change: Change, direct: Redis
) -> None:
    """It hears from its row that it lost it, before the lane hears anything."""
    change(after_loss="continue")
    await limit(concurrency=1)
    first, second = await in_line(engine, 2)
    late = await engine.provider.call()
    late.say("one ")
    await engine.sees(first, "one ")
    await waits(second)
    assert await database.call(lifecycle.reap, "worker-under-test") == [first]
    await until(lambda: engine.tasks[0].done())
    await Reaper(direct)._wake(first)
    again = await engine.provider.call(2)
    assert f"Answer {first}" in again.prompt.messages[0].text
    assert await running() == 1
    again.say("two")
    again.finish()
    assert (await has_status(first, Status.COMPLETED)).text == "one two"
    assert await asked_for(engine, 3) == second


async def test_the_end_of_a_worker_that_was_taken_for_dead_frees_nobodys_slot(engine: Engine, change: Change) -> None:
    change(after_loss="continue")
    await limit(concurrency=1)
    generation_id, zombie = await engine.begin()
    zombie.say("one ")
    await engine.sees(generation_id, "one ")
    await database.call(lifecycle.reap, "worker-under-test")
    waiting = await in_line(engine, 1)
    await dispatcher.wake(generation_id)
    await engine.provider.call(2)
    await until(zombie.closed.is_set)
    await until(lambda: engine.tasks[0].done())
    assert await running() == 1
    assert (await standing(waiting[0])) is not None
    assert len(engine.provider.calls) == 2


async def test_a_claim_that_the_database_refused_comes_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    claim, failures = lifecycle.claim, [OperationalError("gone")]

    def unlucky(*arguments: object, **options: object) -> object:
        if failures:
            raise failures.pop()
        return claim(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(lifecycle, "claim", unlucky)
    await limit(concurrency=1)
    generation_id = await ask(wake_at=timezone.now())
    await engine.start(generation_id)
    (later,) = await in_line(engine, 1, wake_at=timezone.now() + timedelta(minutes=5))
    assert (await row(generation_id)).status == Status.QUEUED
    assert engine.provider.calls == []
    reconciler = Reconciler(lanes.store(LANE))
    for _ in range(2):
        for drained in await reconciler.walk(handoff_s=0.0):
            await dispatcher.start(drained.admitted)
    (await engine.provider.call()).finish()
    assert (await has_status(generation_id, Status.COMPLETED)).attempt == 1
    assert await asked_for(engine, 2) == later


# Somebody stops.


async def test_a_stop_while_it_waits_gives_the_place_to_the_next(engine: Engine) -> None:
    await limit(concurrency=1)
    first, second, third = await in_line(engine, 3)
    call = await engine.provider.call()
    assert await services.request_stop(second) == Status.STOPPED
    assert await standing(second) is None
    call.finish()
    await has_status(first, Status.COMPLETED)
    assert await asked_for(engine, 2) == third


async def test_a_stop_between_the_lanes_permission_and_the_start_wins(engine: Engine) -> None:
    await limit(concurrency=1)
    generation_id, waiting = await ask(), await ask()
    ticket = await engine.broker.fetch(generation_id)
    await dispatcher.enqueue(waiting)
    assert await services.request_stop(generation_id) == Status.STOPPED
    await engine.deliver(ticket)
    assert await asked_for(engine, 1) == waiting
    assert await standing(generation_id) is None


async def test_what_has_text_is_stopped_at_once_however_long_the_line_is(engine: Engine) -> None:
    await limit(concurrency=0)
    generation_id = await ask(text="seen", crashes=1, attempt=1, position_attempt=1, position_seq=2)
    await dispatcher.enqueue(generation_id)
    await services.request_stop(generation_id)
    stored = await has_status(generation_id, Status.STOPPED)
    assert stored.text == "seen"
    assert engine.provider.calls == []
    assert await standing(generation_id) is None


# The lane lost its memory.


async def test_a_lost_lane_loses_nobody_who_comes(engine: Engine, direct: Redis) -> None:
    await forget_lane(direct)
    generation_id = await ask(wake_at=timezone.now())
    assert not await services.dispatch(generation_id)
    await open_lane()
    (due_now,) = await database.call(due.wake_ups)
    await dispatcher.wake(due_now)
    (await engine.provider.call()).finish()
    assert (await engine.ends(generation_id)).status == Status.COMPLETED


async def test_a_lost_lane_starts_nobody(engine: Engine, direct: Redis) -> None:
    generation_id = await ask()
    ticket = await engine.broker.fetch(generation_id)
    await forget_lane(direct)
    await engine.deliver(ticket)
    stored = await row(generation_id)
    assert (stored.status, stored.attempt, engine.provider.calls) == (Status.QUEUED, 0, [])


async def test_a_lost_lane_stops_no_stream(engine: Engine, direct: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    generation_id, call = await engine.begin()
    call.say("one ")
    await engine.sees(generation_id, "one ")
    await forget_lane(direct)
    call.say("two")
    call.finish()
    assert (await engine.ends(generation_id)).text == "one two"
    await engine.assert_replay_equals_text(generation_id)


async def test_a_lost_lane_keeps_nobody_from_stopping(engine: Engine, direct: Redis) -> None:
    await limit(concurrency=0)
    (generation_id,) = await in_line(engine, 1)
    await forget_lane(direct)
    assert await services.request_stop(generation_id) == Status.STOPPED
    assert (await row(generation_id)).status == Status.STOPPED


async def test_a_row_knows_its_place_again_after_a_loss(engine: Engine, direct: Redis) -> None:
    await limit(concurrency=0)
    first, second = await in_line(engine, 2)
    place = (await waits(first)).place
    await change_row(second, stop_requested_at=None)
    stored = await row(first)
    assert (stored.lane_tag, stored.lane_seq) == place
