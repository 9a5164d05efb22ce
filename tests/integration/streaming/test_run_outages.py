"""The database or Redis is away while an answer runs, or the worker dies between its end and the event."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from streaming import database, lifecycle, publisher, run
from streaming.events import Ended, Position
from streaming.lane_run import LaneRun
from streaming.lifecycle import Outcome
from streaming.providers.base import Finish, Text, Usage
from streaming.states import Status
from tests import engine as doubles
from tests.engine import Change, Engine, ask, has_status, open_lane, row, until
from tests.valkey import Valkey

# The database or Redis is away.


def hold_the_database(seconds: float) -> threading.Thread:
    """Another process holds the write lock; returns once it has it."""
    has_it = threading.Event()

    def hold() -> None:
        locker = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        has_it.set()
        threading.Event().wait(seconds)
        locker.execute("ROLLBACK")
        locker.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert has_it.wait(60)
    return thread


needs_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="a lock on the whole database")


@needs_sqlite
async def test_a_database_locked_at_the_end_delays_the_end_and_loses_nothing(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("All ")
    await has_status(generation_id, Status.STREAMING)
    lock = await asyncio.to_thread(hold_the_database, 3.0)
    call.say("of it.")
    call.finish()
    await engine.sees(generation_id, "All of it.")
    stored = await engine.ends(generation_id)
    await asyncio.to_thread(lock.join)
    assert (stored.status, stored.text) == (Status.COMPLETED, "All of it.")
    await engine.assert_replay_equals_text(generation_id)


async def test_a_write_that_fails_is_repeated(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    finish, failures = lifecycle.finish, [OperationalError("gone"), TimeoutError()]

    def unlucky(generation_id: str, attempt: int, outcome: Outcome) -> Any:
        if failures:
            raise failures.pop()
        return finish(generation_id, attempt, outcome)

    monkeypatch.setattr(lifecycle, "finish", unlucky)
    generation_id = await engine.run(Text("x"), Finish())
    assert (await engine.assert_replay_equals_text(generation_id)).status == Status.COMPLETED


async def test_an_end_whose_answer_was_lost_is_still_announced(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    finish, failures = lifecycle.finish, [TimeoutError()]

    def unlucky(generation_id: str, attempt: int, outcome: Outcome) -> Any:
        end = finish(generation_id, attempt, outcome)
        if failures:
            raise failures.pop()
        return end

    monkeypatch.setattr(lifecycle, "finish", unlucky)
    generation_id = await engine.run(Text("x"), Finish())
    assert (await engine.assert_replay_equals_text(generation_id)).status == Status.COMPLETED
    assert doubles.ended == [generation_id]


async def test_a_claim_that_takes_long_is_not_lost(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    start = LaneRun.start

    async def start_in_haste(self: LaneRun) -> bool:
        monkeypatch.setattr(database, "CALL_TIMEOUT_S", 0.05)
        return await start(self)

    monkeypatch.setattr(LaneRun, "start", start_in_haste)
    claim, patient_s = lifecycle.claim, database.CALL_TIMEOUT_S

    def slow(generation_id: str, *arguments: Any, **options: Any) -> Any:
        threading.Event().wait(0.2)
        monkeypatch.setattr(database, "CALL_TIMEOUT_S", patient_s)  # the others take as long as they take here
        return claim(generation_id, *arguments, **options)

    monkeypatch.setattr(lifecycle, "claim", slow)
    engine.provider.answers.append([Text("x"), Finish()])
    generation_id = await ask()
    await engine.start(generation_id)
    assert (await row(generation_id)).status == Status.COMPLETED


@pytest.fixture
def lost_once_started(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis dies right after the lane's permission, the first time."""
    start, times = LaneRun.start, [1]

    async def start_and_lose(self: LaneRun) -> bool:
        may = await start(self)
        if times:
            times.pop()
            valkey.kill()
        return may

    monkeypatch.setattr(LaneRun, "start", start_and_lose)


async def test_without_redis_nothing_starts_and_it_waits_in_its_row(engine: Engine, valkey: Valkey) -> None:
    generation_id = await ask()
    valkey.kill()
    try:
        await engine.start(generation_id)
        stored = await row(generation_id)
        assert (stored.status, stored.attempt, engine.provider.calls) == (Status.QUEUED, 0, [])
    finally:
        valkey.start()


async def test_if_redis_is_gone_when_its_log_should_begin_it_waits_in_its_row(
    engine: Engine, valkey: Valkey, lost_once_started: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "BEGIN_WAIT_S", 0.2)
    monkeypatch.setattr(run, "BEGIN_PAUSE_S", 0.05)
    generation_id = await ask()
    try:
        task = engine.start(generation_id)
        call = await engine.provider.call()
        call.say("nobody sees this")
        await asyncio.wait({task})
        stored = await row(generation_id)
        assert (stored.status, stored.text, stored.provider_errors) == (Status.QUEUED, "", 0)
        assert stored.wake_at <= timezone.now()
        assert len(engine.provider.calls) == 1
    finally:
        valkey.start()
    await open_lane()
    engine.start(generation_id)
    second = await engine.provider.call(2)
    second.say("everybody sees this")
    second.finish()
    await engine.ends(generation_id)
    assert (await engine.assert_replay_equals_text(generation_id)).text == "everybody sees this"


async def test_what_nobody_saw_is_handed_back_by_a_drain_without_redis(
    engine: Engine, valkey: Valkey, lost_once_started: None
) -> None:
    generation_id = await ask()
    try:
        task = engine.start(generation_id)
        call = await engine.provider.call()
        call.say("nobody sees this")
        await until(lambda: all(run.writer.has_input for run in engine.runner.runs))
        now = asyncio.get_running_loop().time()
        engine.runner.drain_at = now - 1
        await asyncio.wait({task})
        stored = await row(generation_id)
    finally:
        valkey.start()
    assert (stored.status, stored.text) == (Status.QUEUED, "")


async def test_a_redis_that_hangs_does_not_make_the_deadlines_late(
    engine: Engine, change: Change, valkey: Valkey
) -> None:
    change(between_text_timeout_s=0.1)
    generation_id, call = await engine.begin()
    call.say("Half")
    await engine.sees(generation_id, "Half")
    valkey.pause()
    try:
        await asyncio.wait_for(call.closed.wait(), 4)  # Redis itself is waited for 5 s
    finally:
        valkey.resume()
    assert (await engine.ends(generation_id)).status == Status.INTERRUPTED


async def test_a_slow_log_does_not_make_a_finished_provider_late(
    looks: list[float], engine: Engine, change: Change, valkey: Valkey
) -> None:
    change(between_text_timeout_s=0.1, first_text_timeout_s=0.1)
    generation_id, call = await engine.begin()
    await until(lambda: all(run.writer.seq for run in engine.runner.runs))
    valkey.kill()
    try:
        call.say("All of it.")
        call.finish()
        await call.closed.wait()
        finished_at = asyncio.get_running_loop().time()
        await until(lambda: looks and looks[-1] > finished_at + 0.2)
    finally:
        valkey.start()
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.text) == (Status.COMPLETED, "All of it.")


async def test_redis_away_at_the_end_leaves_the_row_to_tell_it(
    engine: Engine, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "LOG_WAIT_S", 0.3)
    generation_id, call = await engine.begin()
    call.say("seen ")
    await engine.sees(generation_id, "seen ")
    await has_status(generation_id, Status.STREAMING)
    valkey.kill()
    try:
        call.say("only in the row")
        call.finish()
        stored = await engine.ends(generation_id)
    finally:
        valkey.start()
    assert (stored.status, stored.text) == (Status.COMPLETED, "seen only in the row")
    event = lifecycle.ended_event(stored)
    assert event.position > Position(1, 3)  # further than anything that the log may still hold


async def test_redis_away_for_a_while_in_mid_stream_is_not_noticed_in_the_text(engine: Engine, valkey: Valkey) -> None:
    generation_id, call = await engine.begin()
    call.say("One ")
    await engine.sees(generation_id, "One ")
    valkey.kill()
    try:
        call.say("two ")
        await until(lambda: any(run.writer.frozen for run in engine.runner.runs))
    finally:
        valkey.start()
    call.say("three")
    call.finish()
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.text) == (Status.COMPLETED, "One two three")


# Death between the row's end and its event.


@pytest.mark.parametrize("death", [RuntimeError("killed"), asyncio.CancelledError()], ids=["raise", "cancel"])
async def test_a_death_between_row_and_event_leaves_the_same_event_to_every_reader(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, death: BaseException
) -> None:
    append = publisher.Publisher.append
    sent: list[Ended] = []

    async def die(self: publisher.Publisher, writer: Any, kind: str, build: Any) -> None:
        if kind != "x":
            return await append(self, writer, kind, build)  # type: ignore[arg-type]
        sent.append(build(Position(writer.attempt, writer.seq + 1)))
        raise death

    monkeypatch.setattr(publisher.Publisher, "append", die)
    generation_id, call = await engine.begin()
    call.say("All of it.")
    call.send(Usage(1, 2))
    call.finish()
    await asyncio.wait(engine.tasks)
    stored = await row(generation_id)
    assert (stored.status, stored.text) == (Status.COMPLETED, "All of it.")
    read = await engine.log.read_after(generation_id, Position(0, 0))
    assert read.last is not None
    assert not read.closed
    event = lifecycle.ended_event(stored)
    assert event.position == (read.last.attempt, read.last.seq + 1)
    assert sent == [event]


async def test_an_event_that_hangs_does_not_hang_the_run(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    append = publisher.Publisher.append

    async def hang(self: publisher.Publisher, writer: Any, kind: str, build: Any) -> None:
        if kind != "x":
            return await append(self, writer, kind, build)  # type: ignore[arg-type]
        await asyncio.Event().wait()

    monkeypatch.setattr(run, "LOG_WAIT_S", 0.1)
    monkeypatch.setattr(publisher.Publisher, "append", hang)
    generation_id = await engine.run(Text("x"), Finish())
    assert (await row(generation_id)).status == Status.COMPLETED
    assert doubles.ended == [generation_id]
