"""An answer that broke off after text: the next attempt goes on from exactly what people saw."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from redis import ConnectionError as RedisConnectionError

from streaming import database, dispatcher, lifecycle, run, services
from streaming.continuation import asks_to_continue
from streaming.errors import ProviderUnavailable
from streaming.events import Position, Started
from streaming.providers.base import Finish, Text, Usage
from streaming.states import Status
from tests.engine import Change, Engine, attempts, change_row, has_status, row, until
from tests.valkey import Valkey


@pytest.fixture(autouse=True)
def continuing(change: Change) -> None:
    change(after_loss="continue", checkpoint_s=60.0)


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nobody but the test delivers tasks."""
    ids: list[str] = []

    async def enqueue(generation_id: str) -> bool:
        ids.append(generation_id)
        return True

    monkeypatch.setattr(dispatcher, "enqueue", enqueue)
    monkeypatch.setattr(dispatcher, "end", enqueue)
    return ids


async def lose_a_worker(engine: Engine, *texts: str, saved: int = 0) -> str:
    """A generation whose worker showed `texts` and died; its row has the first `saved` of them."""
    writer = await engine.open_stream()
    await engine.say(writer, *texts)
    engine.publisher.close(writer)
    await change_row(
        writer.generation_id,
        status=Status.STREAMING if texts else Status.ADMITTED,
        text="".join(texts[:saved]),
        position_attempt=1,
        position_seq=1 + saved,
    )
    assert await database.call(lifecycle.reap, "worker-under-test") == [writer.generation_id]
    return writer.generation_id


async def test_after_a_failure_the_next_attempt_goes_on_where_it_broke_off(engine: Engine, frames: list[str]) -> None:
    engine.provider.answers.append([Text("Once upon "), ProviderUnavailable()])
    generation_id = await engine.run(Text("a time."), Usage(9, 3), Finish())
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text, stored.attempt) == (Status.COMPLETED, "Once upon a time.", 2)
    first, second = engine.provider.calls
    assert not asks_to_continue(first.prompt)
    assert asks_to_continue(second.prompt)
    assert second.prompt.messages[-1].text.endswith("Once upon ")
    one, two = await attempts(generation_id)
    assert (one.outcome, one.usage_source, two.outcome, two.usage_source) == (
        "retried",
        "counted",
        "completed",
        "provider",
    )
    assert stored.input_tokens == (one.input_tokens or 0) + 9
    assert '"reason":"continuing"' in frames[0]


async def test_what_the_model_repeats_of_the_tail_is_dropped(engine: Engine) -> None:
    engine.provider.answers.append([Text("The quick brown fox jumps over"), ProviderUnavailable()])
    generation_id = await engine.run(Text("brown fox ju"), Text("mps over the lazy dog."), Finish())
    stored = await engine.assert_replay_equals_text(generation_id)
    assert stored.text == "The quick brown fox jumps over the lazy dog."


async def test_it_gives_up_in_the_end_and_keeps_all_the_text(engine: Engine) -> None:
    engine.provider.answers += [[Text("one "), ProviderUnavailable()], [Text("two "), ProviderUnavailable()]]
    generation_id = await engine.run(Text("three "), ProviderUnavailable())
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text) == (Status.INTERRUPTED, "one two three ")


@pytest.mark.parametrize("saved", [0, 1, 3])
async def test_after_the_loss_of_a_worker_the_log_tells_what_the_row_has_not(engine: Engine, saved: int) -> None:
    generation_id = await lose_a_worker(engine, "one ", "two ", "three ", saved=saved)
    engine.start(generation_id)
    call = await engine.provider.call()
    assert call.prompt.messages[-2].text == "one two three "
    call.say("four")
    call.finish()
    await engine.ends(generation_id)
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text, stored.crashes) == (Status.COMPLETED, "one two three four", 1)
    starts = [event for event in await engine.events(generation_id) if isinstance(event, Started)]
    assert [(start.attempt, start.follows) for start in starts] == [(1, Position(0, 0)), (2, Position(1, 4))]


async def test_the_time_of_the_first_text_is_that_of_the_first_attempt(engine: Engine) -> None:
    generation_id = await lose_a_worker(engine, "one ")
    at = timezone.now() - timedelta(seconds=20)
    await change_row(generation_id, first_text_at=at)
    engine.provider.answers.append([Text("two"), Finish()])
    await engine.start(generation_id)
    assert (await row(generation_id)).first_text_at == at


async def test_no_checkpoint_comes_between_the_log_and_what_it_tells(
    change: Change, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the row would claim a position whose text it has not."""
    generation_id = await lose_a_worker(engine, "one ", "two ", saved=1)
    read_after, reading, may_go_on = engine.publisher.replay_log.read_after, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any) -> Any:
        reading.set()
        await may_go_on.wait()
        return await read_after(*arguments)

    monkeypatch.setattr(engine.publisher.replay_log, "read_after", slow)
    engine.start(generation_id)
    await reading.wait()
    assert len(engine.publisher._writers) == 0
    may_go_on.set()
    call = await engine.provider.call()
    call.finish()
    assert (await engine.ends(generation_id)).text == "one two "


async def test_a_log_that_cannot_be_read_at_once_is_read_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BEGIN_PAUSE_S", 0.01)
    generation_id = await lose_a_worker(engine, "one ", "two ", saved=1)
    read_after, failures = engine.publisher.replay_log.read_after, [RedisConnectionError(), RedisConnectionError()]

    async def unlucky(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return await read_after(*arguments)

    monkeypatch.setattr(engine.publisher.replay_log, "read_after", unlucky)
    engine.provider.answers.append([Text("three"), Finish()])
    await engine.start(generation_id)
    assert (await engine.assert_replay_equals_text(generation_id)).text == "one two three"


async def test_a_stop_while_it_waits_to_be_continued_keeps_all_that_was_seen(engine: Engine, woken: list[str]) -> None:
    generation_id = await lose_a_worker(engine, "one ", "two ", saved=1)
    await services.request_stop(generation_id)
    assert woken == [generation_id]  # only a worker can end it with all of the text
    await engine.start(generation_id)
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text) == (Status.STOPPED, "one two ")
    assert engine.provider.calls == []


async def test_a_policy_of_not_continuing_keeps_all_that_was_seen(change: Change, engine: Engine) -> None:
    change(after_loss="interrupt")
    generation_id = await lose_a_worker(engine, "one ", "two ", saved=1)
    await engine.start(generation_id)
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text, stored.error_code) == (Status.INTERRUPTED, "one two ", "worker_lost")


@pytest.mark.parametrize(("texts", "status"), [((), Status.FAILED), (("one ",), Status.INTERRUPTED)])
async def test_a_generation_that_loses_every_worker_is_given_up(
    engine: Engine, texts: tuple[str, ...], status: Status
) -> None:
    generation_id = await lose_a_worker(engine, *texts)
    await change_row(generation_id, crashes=4)
    await engine.start(generation_id)
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.error_code, stored.text) == (status, "worker_lost", "".join(texts))
    assert engine.provider.calls == []


async def test_without_text_the_loss_of_a_worker_is_just_another_try(change: Change, engine: Engine) -> None:
    change(after_loss="interrupt")
    generation_id = await lose_a_worker(engine)
    engine.provider.answers.append([Text("at last"), Finish()])
    await engine.start(generation_id)
    assert (await engine.assert_replay_equals_text(generation_id)).text == "at last"


@pytest.mark.parametrize(("texts", "status"), [((), Status.EXPIRED), (("one ",), Status.INTERRUPTED)])
async def test_whoever_waited_too_long_is_ended_with_what_there_is(
    engine: Engine, texts: tuple[str, ...], status: Status
) -> None:
    generation_id = await lose_a_worker(engine, *texts)
    await change_row(generation_id, deadline_at=timezone.now())
    await engine.start(generation_id)
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.error_code, stored.text) == (status, "expired", "".join(texts))


@pytest.mark.parametrize("policy", ["continue", "interrupt"])
@pytest.mark.parametrize("is_stopped", [False, True])
async def test_without_redis_the_text_of_the_row_stays(
    change: Change, engine: Engine, valkey: Valkey, monkeypatch: pytest.MonkeyPatch, is_stopped: bool, policy: str
) -> None:
    change(after_loss=policy)
    monkeypatch.setattr(run, "BEGIN_WAIT_S", 0.1)
    monkeypatch.setattr(run, "BEGIN_PAUSE_S", 0.05)
    generation_id = await lose_a_worker(engine, "one ", saved=1)
    first_text_at = timezone.now() - timedelta(seconds=20)
    await change_row(generation_id, first_text_at=first_text_at)
    if is_stopped:
        await change_row(generation_id, stop_requested_at=timezone.now())
    valkey.kill()
    try:
        await engine.start(generation_id)
        stored = await row(generation_id)
    finally:
        valkey.start()
    assert (stored.status, stored.text) == (Status.STOPPED if is_stopped else Status.QUEUED, "one ")
    assert stored.first_text_at == first_text_at
    assert engine.provider.calls == []


async def test_text_that_the_log_never_confirmed_is_not_given_back_to_the_queue(
    engine: Engine, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be in the log and on screens; a new attempt that knows nothing of it would begin again."""
    monkeypatch.setattr(run, "LOG_WAIT_S", 0.2)
    generation_id, call = await engine.begin()
    await until(lambda: all(run.writer.seq for run in engine.runner.runs))
    valkey.kill()
    try:
        call.say("perhaps seen")
        call.fail(ProviderUnavailable())
        stored = await engine.ends(generation_id)
    finally:
        valkey.start()
    assert (stored.status, stored.text) == (Status.INTERRUPTED, "perhaps seen")


async def test_a_drained_worker_hands_its_answers_over(change: Change, engine: Engine) -> None:
    change(drain_s=0.05)
    generation_id, call = await engine.begin()
    call.say("From the first ")
    await engine.sees(generation_id, "From the first ")
    engine.runner.drain()
    stored = await has_status(generation_id, Status.QUEUED)
    assert (stored.text, stored.crashes, stored.provider_errors) == ("From the first ", 0, 0)
    await asyncio.wait(engine.tasks)
    other = Engine(engine.provider, engine.broker)
    try:
        other.start(generation_id)
        second = await engine.provider.call(2)
        second.say("to the second.")
        second.finish()
        await other.ends(generation_id)
    finally:
        await other.aclose_workers()
    assert (await engine.assert_replay_equals_text(generation_id)).text == "From the first to the second."
