"""A worker takes what it is given, ends it, and shuts down."""

from __future__ import annotations

import asyncio
import threading

import pytest
from django.db import OperationalError
from django.utils import timezone

from streaming import database, dispatcher, hooks, lifecycle
from streaming.errors import (
    ProviderRateLimited,
)
from streaming.events import BlockRendered, Ended, Started, UsageReported
from streaming.hooks import AfterEnd
from streaming.lane_run import LaneRun
from streaming.models import Generation
from streaming.prompt import Prompt
from streaming.providers.base import Finish, Reasoning, Text, Usage
from streaming.states import Status
from tests import engine as doubles
from tests.engine import Change, Engine, ask, attempts, change_row, has_status, row, until
from tests.valkey import Valkey

# It ends well.


async def test_an_answer_is_logged_and_stored_as_the_model_gave_it(engine: Engine) -> None:
    generation_id = await engine.run(Text("Hello "), Text("👩‍👩‍👧 wor"), Text("ld.\r\n"), Usage(5, 3, 2), Finish())
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text, stored.finish_reason) == (Status.COMPLETED, "Hello 👩‍👩‍👧 world.\n", "stop")
    assert (stored.input_tokens, stored.output_tokens, stored.cached_tokens) == (5, 3, 2)
    assert stored.first_text_at is not None
    (attempt,) = await attempts(generation_id)
    assert (attempt.number, attempt.outcome, attempt.worker) == (1, "completed", "worker-under-test")
    assert (attempt.input_tokens, attempt.output_tokens, attempt.usage_source) == (5, 3, "provider")
    assert attempt.first_text_at is not None
    events = await engine.events(generation_id)
    assert isinstance(events[0], Started)
    assert isinstance(events[-3], UsageReported)
    assert isinstance(events[-2], BlockRendered)
    assert doubles.ended == [generation_id]


async def test_people_see_text_while_the_model_goes_on(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("One ")
    await engine.sees(generation_id, "One ")
    await has_status(generation_id, Status.STREAMING)
    call.say("two.")
    await engine.sees(generation_id, "One two.")
    call.finish()
    assert (await engine.ends(generation_id)).status == Status.COMPLETED
    await engine.assert_replay_equals_text(generation_id)


async def test_an_answer_may_be_empty(engine: Engine) -> None:
    generation_id = await engine.run(Finish())
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text, stored.first_text_at) == (Status.COMPLETED, "", None)


async def test_thinking_is_no_text(engine: Engine) -> None:
    generation_id = await engine.run(Reasoning("hm"), Text("yes"), Finish())
    assert (await engine.assert_replay_equals_text(generation_id)).text == "yes"


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
async def test_the_models_own_reason_is_kept(engine: Engine, reason: str) -> None:
    generation_id = await engine.run(Text("x"), Finish(reason))
    assert (await row(generation_id)).finish_reason == reason


async def test_a_thousand_deltas_and_odd_characters_arrive_whole(engine: Engine) -> None:
    text = "".join(f"{n}: e\u0301 👍🏽 漢\r\n" for n in range(250))
    generation_id = await engine.run(*(Text(letter) for letter in text), Finish())
    assert (await engine.assert_replay_equals_text(generation_id)).text == text.replace("\r\n", "\n")


async def test_what_the_host_wants_after_the_end_is_done(
    engine: Engine, frames: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []

    async def enqueue(generation_id: str) -> bool:
        woken.append(generation_id)
        return True

    monkeypatch.setattr(dispatcher, "enqueue", enqueue)
    monkeypatch.setattr(hooks, "generation_ended", lambda generation_id: AfterEnd([("room", "changed")], ["next"]))
    await engine.run(Text("x"), Finish())
    assert (frames, woken) == (["changed"], ["next"])


async def test_the_hosts_mistake_keeps_nobody_waiting(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(generation_id: str) -> AfterEnd:
        raise KeyError(generation_id)

    monkeypatch.setattr(hooks, "generation_ended", fail)
    generation_id = await engine.run(Text("x"), Finish())
    assert (await engine.assert_replay_equals_text(generation_id)).status == Status.COMPLETED


# A task is only a wake-up.


async def test_two_deliveries_of_one_task_make_one_claim_and_one_call(engine: Engine) -> None:
    generation_id = await ask()
    tasks = [engine.start(generation_id) for _ in range(5)]
    call = await engine.provider.call()
    call.say("once")
    call.finish()
    await asyncio.wait(tasks)
    await engine.idle()
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.attempt, stored.text, len(engine.provider.calls)) == (1, "once", 1)


async def test_a_task_that_comes_after_the_end_does_nothing(engine: Engine) -> None:
    generation_id = await engine.run(Text("done"), Finish())
    before = await database.call(lambda: Generation.objects.filter(pk=generation_id).values().get())
    await engine.start(generation_id)
    assert await database.call(lambda: Generation.objects.filter(pk=generation_id).values().get()) == before
    assert len(engine.provider.calls) == 1


async def test_a_task_of_a_deleted_generation_does_nothing(engine: Engine) -> None:
    generation_id = await ask()
    await database.call(Generation.objects.filter(pk=generation_id).delete)
    await engine.start(generation_id)
    assert engine.provider.calls == []


async def test_a_generation_deleted_in_mid_stream_is_let_go(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("Half")
    await engine.sees(generation_id, "Half")
    await database.call(Generation.objects.filter(pk=generation_id).delete)
    await asyncio.wait_for(call.closed.wait(), 60)


async def test_whoever_lost_the_row_leaves_and_writes_nothing(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("mine")
    await engine.sees(generation_id, "mine")
    await change_row(generation_id, attempt=2, worker="other", text="theirs")
    await asyncio.wait_for(call.closed.wait(), 60)
    await asyncio.wait(engine.tasks)
    stored = await row(generation_id)
    assert (stored.attempt, stored.worker, stored.text, stored.status) == (2, "other", "theirs", Status.STREAMING)
    assert not any(isinstance(event, Ended) for event in await engine.events(generation_id))
    assert doubles.ended == []


async def test_whoever_lost_the_row_before_the_end_does_not_end_it(rare_checkpoints: None, engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("mine")
    await engine.sees(generation_id, "mine")
    await has_status(generation_id, Status.STREAMING)
    await change_row(generation_id, attempt=2, worker="other", text="theirs")
    call.finish()
    await asyncio.wait(engine.tasks)
    stored = await row(generation_id)
    assert (stored.text, stored.status) == ("theirs", Status.STREAMING)
    assert not any(isinstance(event, Ended) for event in await engine.events(generation_id))


async def test_a_newer_attempt_on_the_log_ends_the_older_at_once(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("mine")
    await engine.sees(generation_id, "mine")
    await change_row(generation_id, attempt=2)
    await engine.log.begin(generation_id, 2, "other", epoch="unused")
    call.say(" more")
    await asyncio.wait_for(call.closed.wait(), 60)
    await asyncio.wait(engine.tasks)
    assert await engine.logged_text(generation_id) == "mine"


# The worker shuts down.


async def test_on_a_drain_what_has_no_text_goes_back_to_the_queue(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    await has_status(generation_id, Status.ADMITTED)
    engine.runner.drain()
    await asyncio.wait_for(call.closed.wait(), 60)
    await asyncio.wait(engine.tasks)
    stored = await row(generation_id)
    assert (stored.status, stored.worker, stored.provider_errors) == (Status.QUEUED, "", 0)
    assert stored.wake_at <= timezone.now()
    assert len(engine.provider.calls) == 1
    # Another process goes on where this one left.
    other = Engine(engine.provider, engine.broker)
    try:
        other.start(generation_id)
        second = await engine.provider.call(2)
        second.say("text")
        second.finish()
        await other.ends(generation_id)
        await other.assert_replay_equals_text(generation_id)
    finally:
        await other.aclose_workers()


async def test_on_a_drain_an_answer_with_text_may_finish_in_time(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("Almost ")
    await engine.sees(generation_id, "Almost ")
    engine.runner.drain()
    call.say("done")
    call.finish()
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.text) == (Status.COMPLETED, "Almost done")


async def test_on_a_drain_text_that_is_not_logged_yet_counts_as_text(
    looks: list[float], engine: Engine, valkey: Valkey
) -> None:
    generation_id, call = await engine.begin()
    await until(lambda: all(run.writer.seq for run in engine.runner.runs))
    valkey.pause()
    try:
        call.say("fresh ")
        await until(lambda: all(run.writer.has_input for run in engine.runner.runs))
        engine.runner.drain()
        seen = len(looks)
        await until(lambda: len(looks) > seen)
    finally:
        valkey.resume()
    call.say("and finished")
    call.finish()
    assert (await engine.ends(generation_id)).status == Status.COMPLETED


async def test_when_the_time_to_drain_is_over_text_is_kept_and_interrupted(engine: Engine, change: Change) -> None:
    change(drain_s=0.1)
    generation_id, call = await engine.begin()
    call.say("Half")
    await engine.sees(generation_id, "Half")
    engine.runner.drain()
    stored = await engine.ends(generation_id)
    assert call.closed.is_set()
    assert (stored.status, stored.text, stored.error_code) == (Status.INTERRUPTED, "Half", "worker_shutdown")
    await engine.assert_replay_equals_text(generation_id)


async def test_a_drain_ends_the_wait_for_the_next_try(engine: Engine) -> None:
    engine.provider.answers.append([ProviderRateLimited(retry_after_s=60.0)])
    generation_id, _ = await engine.begin()
    await has_status(generation_id, Status.QUEUED)
    engine.runner.drain()
    async with asyncio.timeout(60):
        await asyncio.wait(engine.tasks)
    assert (await row(generation_id)).status == Status.QUEUED


async def test_a_draining_worker_claims_nothing_and_another_gets_it_at_once(engine: Engine) -> None:
    engine.runner.drain()
    generation_id = await ask()
    await engine.start(generation_id)
    assert (await row(generation_id)).status == Status.QUEUED
    assert generation_id in engine.broker.box


# Many at once.


async def test_many_runs_at_once_each_get_their_own_text(engine: Engine) -> None:
    ids = [await ask() for _ in range(30)]
    for generation_id in ids:
        engine.start(generation_id)
    await engine.provider.call(len(ids))
    for number in range(10):
        for call in engine.provider.calls:
            call.say(f"{number} of {call.prompt.messages[0].text} ")
        await asyncio.sleep(0)
    for call in engine.provider.calls:
        call.finish()
    await asyncio.wait(engine.tasks)
    for generation_id in ids:
        stored = await engine.assert_replay_equals_text(generation_id)
        assert stored.text == "".join(f"{number} of Answer {generation_id}. " for number in range(10))
    assert engine.runner.runs == set()


async def test_a_worker_that_claims_its_own_lost_answer_again_keeps_the_new_attempt(
    change: Change, engine: Engine
) -> None:
    """It was taken for dead and is not: it holds the old attempt's writer beside the new one's."""
    change(after_loss="continue")
    generation_id, first = await engine.begin()
    first.say("one ")
    await engine.sees(generation_id, "one ")
    assert await database.call(lifecycle.reap, "worker-under-test") == [generation_id]
    engine.start(generation_id)
    second = await engine.provider.call(2)
    await until(first.closed.is_set)
    second.say("two")
    await engine.sees(generation_id, "one two")
    second.finish()
    assert (await engine.ends(generation_id)).text == "one two"


async def test_the_prompt_is_read_once_and_while_the_lane_is_asked(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, start, reading, asked = hooks.build_prompt, LaneRun.start, threading.Event(), []

    def noted(generation_id: str) -> Prompt:
        reading.set()
        asked.append(generation_id)
        return build(generation_id)

    async def start_after(self: LaneRun) -> bool:
        assert await asyncio.to_thread(reading.wait, doubles.WAIT_S)
        return await start(self)

    monkeypatch.setattr(hooks, "build_prompt", noted)
    monkeypatch.setattr(LaneRun, "start", start_after)
    generation_id = await engine.run(Text("x"), Finish())
    assert (await row(generation_id)).status == Status.COMPLETED
    assert asked == [generation_id]


async def test_a_prompt_that_cannot_be_read_beside_the_lane_is_read_by_the_claim(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, failures = hooks.build_prompt, [OperationalError("the database is busy")]

    def unlucky(generation_id: str) -> Prompt:
        if failures:
            raise failures.pop()
        return build(generation_id)

    monkeypatch.setattr(hooks, "build_prompt", unlucky)
    generation_id = await engine.run(Text("x"), Finish())
    assert (await row(generation_id)).status == Status.COMPLETED
