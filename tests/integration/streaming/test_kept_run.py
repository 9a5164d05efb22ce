"""A run that the vendor keeps is read again by the next attempt instead of being asked for again."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from streaming import database, dispatcher, lifecycle, providers
from streaming.continuation import asks_to_continue
from streaming.errors import ProviderUnavailable, RunGone, StopRequested
from streaming.providers.base import Finish, Handle, ModelEntry, Part, Text, Usage
from streaming.states import Status
from tests.engine import Change, Engine, ScriptedProvider, ask, attempts, change_row, row, until

RUN = "resp_1"
SHOWN = [Handle(RUN), Text("One, "), Text("two, ")]


class KeepingProvider(ScriptedProvider):
    """`kept` is what it says of a run that is read again; `read` and `cancelled` are the runs that were."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Part | Exception] = []
        self.read: list[str] = []
        self.cancelled: list[str] = []

    async def reattach(self, entry: ModelEntry, handle: str) -> AsyncGenerator[Part, None]:
        self.read.append(handle)
        for part in self.kept:
            if isinstance(part, Exception):
                raise part
            yield part

    async def cancel(self, entry: ModelEntry, handle: str) -> None:
        self.cancelled.append(handle)


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> KeepingProvider:
    keeping = KeepingProvider()
    monkeypatch.setattr(providers, "get_provider", lambda entry: keeping)
    return keeping


@pytest.fixture(autouse=True)
def continuing(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but the test delivers tasks."""
    change(after_loss="continue")

    async def enqueue(generation_id: str) -> bool:
        return True

    monkeypatch.setattr(dispatcher, "enqueue", enqueue)


async def test_after_a_broken_connection_the_same_run_is_read_on(engine: Engine, provider: KeepingProvider) -> None:
    provider.kept = [Handle(RUN), Text("One, two"), Text(", three."), Usage(9, 7), Finish()]
    generation_id = await engine.run(*SHOWN, ProviderUnavailable())
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text, stored.attempt) == (Status.COMPLETED, "One, two, three.", 2)
    assert (len(provider.calls), provider.read, provider.cancelled) == (1, [RUN], [])
    assert (stored.input_tokens, stored.output_tokens) == (9, 7)
    assert [attempt.usage_source for attempt in await attempts(generation_id)] == ["kept", "provider"]


async def test_a_lost_worker_leaves_the_run_to_the_next_one(engine: Engine, provider: KeepingProvider) -> None:
    generation_id, call = await engine.begin()
    call.send(Handle(RUN))
    call.say("One, ", "two, ")
    await engine.sees(generation_id, "One, two, ")

    async def kept() -> bool:
        return (await row(generation_id)).vendor_run == RUN

    await until(kept)
    provider.kept = [Text("One, "), Text("two, "), Text("three."), Usage(9, 7), Finish()]
    assert await database.call(lifecycle.reap, "worker-under-test") == [generation_id]
    await engine.start(generation_id)
    stored = await row(generation_id)
    assert (stored.status, stored.text) == (Status.COMPLETED, "One, two, three.")
    assert (stored.output_tokens, len(provider.calls)) == (7, 1)
    assert [attempt.usage_source for attempt in await attempts(generation_id)] == ["kept", "provider"]


async def test_before_any_text_the_run_is_read_from_its_start(engine: Engine, provider: KeepingProvider) -> None:
    provider.kept = [Handle(RUN), Text("All of it."), Finish()]
    generation_id = await engine.run(Handle(RUN), ProviderUnavailable())
    assert (await engine.assert_replay_equals_text(generation_id)).text == "All of it."
    assert len(provider.calls) == 1


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param([RunGone()], id="the vendor has it no more"),
        pytest.param([Text("One, t"), Text("hree, "), Finish()], id="it says something else"),
    ],
)
async def test_a_run_of_no_use_is_continued_by_asking_anew(
    engine: Engine, provider: KeepingProvider, kept: list[Part | Exception]
) -> None:
    provider.kept = kept
    provider.answers += [[*SHOWN, ProviderUnavailable()], [Handle("resp_2"), Text("three."), Usage(9, 1), Finish()]]
    generation_id = await engine.run()
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text) == (Status.COMPLETED, "One, two, three.")
    assert asks_to_continue(provider.calls[1].prompt)
    assert [attempt.usage_source for attempt in await attempts(generation_id)] == ["counted", "provider"]


async def test_a_continuing_run_that_breaks_off_is_itself_read_again(engine: Engine, provider: KeepingProvider) -> None:
    """What came before it stays before it, and what it repeated at the seam is dropped again."""
    first = [Handle(RUN), Text("The quick brown fox jumps over"), ProviderUnavailable()]
    second = [Handle("resp_2"), Text("brown fox ju"), Text("mps over the lazy"), ProviderUnavailable()]
    provider.answers += [first, second]

    async def reattach(entry: ModelEntry, handle: str) -> AsyncGenerator[Part, None]:
        provider.read.append(handle)
        if handle == RUN:
            raise RunGone
        for text in ("brown fox jumps over", " the lazy", " dog."):
            yield Text(text)
        yield Finish()

    provider.reattach = reattach  # type: ignore[method-assign]
    generation_id = await engine.run()
    stored = await engine.assert_replay_equals_text(generation_id)
    assert stored.text == "The quick brown fox jumps over the lazy dog."
    assert provider.read == [RUN, "resp_2"]
    assert len(provider.calls) == 2


async def test_a_run_that_failed_by_itself_is_not_read_again(engine: Engine, provider: KeepingProvider) -> None:
    provider.answers += [[*SHOWN, Handle(""), ProviderUnavailable()], [Text("three."), Finish()]]
    generation_id = await engine.run()
    assert (await engine.assert_replay_equals_text(generation_id)).text == "One, two, three."
    assert provider.read == []


async def test_an_end_that_is_not_the_vendors_cancels_the_run(engine: Engine, provider: KeepingProvider) -> None:
    generation_id, call = await engine.begin()
    call.send(Handle(RUN))
    call.say("One")
    await engine.sees(generation_id, "One")
    (run,) = engine.runner.runs
    run.cut(StopRequested())
    assert (await engine.ends(generation_id)).status == Status.STOPPED
    assert provider.cancelled == [RUN]


async def test_a_stop_while_nobody_reads_cancels_the_run_too(engine: Engine, provider: KeepingProvider) -> None:
    generation_id, call = await engine.begin()
    call.send(Handle(RUN))
    engine.runner.drain()
    await engine.tasks[0]
    stored = await row(generation_id)
    assert (stored.status, stored.vendor_run) == (Status.QUEUED, RUN)
    assert await database.call(lifecycle.end_queued, generation_id, Status.STOPPED) is None
    await database.call(lifecycle.request_stop, generation_id)
    engine.runner._draining.clear()
    await engine.start(generation_id)
    assert (await row(generation_id)).status == Status.STOPPED
    assert provider.cancelled == [RUN]


async def test_a_run_whose_beginning_is_lost_is_not_read_again(engine: Engine, provider: KeepingProvider) -> None:
    """It began after text that nobody has any more: reading it on would leave a hole."""
    provider.answers.append([Text("From the start."), Finish()])
    generation_id = await ask()
    await change_row(generation_id, vendor_run=RUN, vendor_run_after=5, crashes=1, attempt=1)
    await engine.start(generation_id)
    assert (await row(generation_id)).text == "From the start."
    assert provider.read == []
