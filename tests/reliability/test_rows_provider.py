"""Rows 2, 23 to 26 and 28 of the fault matrix with real processes: a provider that refuses, breaks off, talks nonsense.

(The same without processes, at every position and more: tests/integration/streaming/test_providers_over_http.py.)
"""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.acceptance.simulator_process import SimulatorProcess
from tests.acceptance.stream_view import StreamView
from tests.reliability.reader import Reader
from tests.reliability.stage import ON_SQLITE, Stage
from tests.simulator.text import text_of

pytestmark = [pytest.mark.reliability, ON_SQLITE]

WAIT_S = 4.0
BUSY = "sim-tokens=20+rate=40+fault=429+wait=4+times=1+seed=1"
SPENT = "sim-tokens=20+fault=spend+seed=2"
DOWN = ["sim-tokens=20+fault=500+seed=3", "sim-tokens=20+fault=529+seed=4", "sim-tokens=20+fault=error+at=0+seed=5"]
BREAKS = "sim-tokens=200+rate=80+fault={fault}+at=40+repeat=20+seed={seed}"
ONCE = [BREAKS.format(fault=fault, seed=10) + "+times=1" for fault in ("rst", "fin", "clean", "overloaded")]
ALWAYS = [BREAKS.format(fault=fault, seed=20) for fault in ("rst", "fin", "clean", "overloaded")]
NONSENSE = ["sim-tokens=20+fault=html+seed=30", "sim-tokens=20+fault=badutf8+seed=31", "sim-fault=empty+seed=32"]
SILENT = "sim-tokens=40+rate=80+fault=stall+at=20+seed=40"
GOOD = "sim-tokens=20+rate=40+seed=41"
MODELS = [BUSY, SPENT, *DOWN, *ONCE, *ALWAYS, *NONSENSE, SILENT, GOOD]
ANTHROPIC_MODELS = [model.replace("seed=", "seed=1") for model in (*ONCE, *ALWAYS)]
TRIES = 3


async def answer(stage: Stage, reader: Reader, model: str) -> StreamView:
    stream = await reader.ask(stage.conversation, f"go {model}", model=model)
    await reader.follow_stream(stream)
    return await reader.ended(stream)


async def test_row_2_who_comes_back_without_traffic_gets_nothing_again(stage: Stage) -> None:
    async with stage.reader("ann") as ann:
        stream = await ann.ask(stage.conversation, "go", model=SILENT)
        await ann.follow_stream(stream)
        view = ann.view(stream)
        before = text_of(SILENT, tokens=20)
        await ann.until(lambda: view.text == before, "the text before the silence")
        await quiet(view)
        counts = dict(view.counts)
        for _ in range(5):
            await ann.drop()
            await ann.online.wait()
            await ann.subscribe(stream)
        assert (view.counts, view.dropped) == (counts, 0)
        await ann.command("generation.stop", generation=stream)
        await ann.ended(stream)
        stage.judge()


async def quiet(view: StreamView) -> None:
    """Waits until no event came for a second."""
    known = None
    while known != view.position:
        known = view.position
        await asyncio.sleep(1.0)


async def test_row_23_a_provider_that_says_when_is_not_asked_sooner(stage: Stage, simulator: SimulatorProcess) -> None:
    async with stage.reader("ann") as ann:
        stream = await ann.ask(stage.conversation, "go", model=BUSY)
        await ann.follow_stream(stream)
        subscribed_at = time.time()
        view = await ann.ended(stream)
        stage.judge(calls={stream: 2})
    first, second = simulator.exchanges(BUSY)
    assert second["received_at"] - first["received_at"] >= WAIT_S
    assert (view.status, view.text) == ("completed", text_of(BUSY))
    is_late = subscribed_at > second["received_at"] - 1
    assert is_late or view.counts["stream.queued"] >= 1, "nobody was told why it waits"


async def test_row_24_a_spent_budget_is_not_asked_again(stage: Stage, simulator: SimulatorProcess) -> None:
    async with stage.reader("ann") as ann:
        view = await answer(stage, ann, SPENT)
        stage.judge(calls={view.generation: 1})
    assert view.end is not None
    assert (view.status, view.end["code"], view.end["retryable"]) == ("failed", "spend_limit", False)
    assert len(simulator.exchanges(SPENT)) == 1


@pytest.mark.parametrize("model", DOWN)
async def test_row_25_a_provider_that_is_down_is_asked_three_times(
    stage: Stage, simulator: SimulatorProcess, model: str
) -> None:
    async with stage.reader("ann") as ann:
        view = await answer(stage, ann, model)
        stage.judge(calls={view.generation: TRIES})
    assert (view.status, view.text) == ("failed", "")
    assert len(simulator.exchanges(model)) == TRIES


@pytest.mark.parametrize("model", [*ONCE, *ANTHROPIC_MODELS[: len(ONCE)]])
async def test_rows_25_and_26_an_answer_that_breaks_off_is_gone_on_with(
    stage: Stage, simulator: SimulatorProcess, model: str
) -> None:
    async with stage.reader("ann") as ann:
        view = await answer(stage, ann, model)
        stage.judge(calls={view.generation: 2})
    assert (view.status, view.text) == ("completed", text_of(model))
    assert len(simulator.exchanges(model)) == 2


@pytest.mark.parametrize("model", [*ALWAYS, *ANTHROPIC_MODELS[len(ONCE) :]])
async def test_rows_25_and_26_an_answer_that_always_breaks_off_is_never_called_complete(
    stage: Stage, simulator: SimulatorProcess, model: str
) -> None:
    async with stage.reader("ann") as ann:
        view = await answer(stage, ann, model)
        stage.judge(calls={view.generation: len(simulator.exchanges(model))})
    assert view.status == "interrupted"
    assert view.text
    assert text_of(model).startswith(view.text)
    assert len(simulator.exchanges(model)) <= TRIES


@pytest.mark.parametrize("model", NONSENSE)
async def test_row_28_after_nonsense_the_worker_serves_the_next_one(stage: Stage, model: str) -> None:
    pids = [stage.demo.pid(name) for name in ("worker 1", "worker 2")]
    async with stage.reader("ann") as ann:
        view = await answer(stage, ann, model)
        at = time.monotonic()
        after = await answer(stage, ann, GOOD)
        stage.judge()
    assert view.status in ("failed", "interrupted", "completed")
    assert (after.status, after.text) == ("completed", text_of(GOOD))
    assert time.monotonic() - at < 120
    assert [stage.demo.pid(name) for name in ("worker 1", "worker 2")] == pids
