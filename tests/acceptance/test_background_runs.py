"""Answers that the vendor keeps: a killed worker costs no second request, and a stop reaches the vendor."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from tests.acceptance.rig import Demo, until
from tests.acceptance.simulator_process import SimulatorProcess
from tests.acceptance.test_worker_loss import busy_worker
from tests.simulator.text import text_of

pytestmark = pytest.mark.acceptance

#: They go on for minutes, until their worker was lost, and are then told to come to their end. Asked anew, the model
#: would begin again: only reading the same run on gives this text.
TOKENS = 3000
STORY = f"sim-tokens={TOKENS}+rate=20+seed=31"
OTHER = f"sim-tokens={TOKENS}+rate=20+seed=32"
STOPPED = f"sim-tokens={TOKENS}+rate=20+seed=33"
#: Longer ago than the vendor keeps a run; asked to go on, the model does.
GONE = f"sim-tokens={TOKENS}+rate=20+seed=34+gone=400+repeat=50"


@pytest.fixture(scope="module")
def demo(simulator: SimulatorProcess) -> Iterator[Demo]:
    models = simulator.env(openai=[STORY, OTHER, STOPPED, GONE])
    background = {"OPENAI_DIALECT": "responses", "OPENAI_BACKGROUND": "1", "DRAIN_SECONDS": "1"}
    with Demo(workers=2, env=models | background) as running:
        yield running


def requests(simulator: SimulatorProcess, model: str) -> list[tuple[str, str]]:
    return [(exchange["method"], exchange["path"]) for exchange in simulator.exchanges(model)]


@pytest.mark.parametrize(("model", "number"), [(STORY, signal.SIGKILL), (OTHER, signal.SIGTERM)])
async def test_the_next_worker_reads_the_same_run_on(
    demo: Demo, simulator: SimulatorProcess, model: str, number: signal.Signals
) -> None:
    async with demo.client("ann") as ann:
        ann.keep_history = True
        generation = await ann.ask(demo.shared_conversation(), "go", model=model)
        await ann.subscribe(generation)
        view = ann.view(generation)
        await ann.until(lambda: len(view.text) > 160, "some text")
        name = busy_worker(demo, generation)
        ended, shown = demo.signal(name, number), view.text
        await ann.until(lambda: view.position.attempt == 2, "the next attempt")
        simulator.pace(model, 0)
        await ann.ended(generation)
        await demo.back(name, ended)
    expected = text_of(model)
    assert view.position.attempt == 2
    assert view.status == "completed"
    assert view.text == demo.row_text(generation) == expected
    assert view.text.startswith(shown)
    assert all(expected.startswith(text) for text in view.history)
    (asked, run), (read, again) = requests(simulator, model)
    assert (asked, run, read) == ("POST", "/v1/responses", "GET")
    assert again.startswith("/v1/responses/resp_")
    (row,) = demo.rows("SELECT output_tokens FROM streaming_generation WHERE id = ?", generation.replace("-", ""))
    assert row["output_tokens"] == TOKENS  # both attempts are one run, which the vendor counts once


async def test_a_run_that_is_gone_is_continued_by_a_new_request(demo: Demo, simulator: SimulatorProcess) -> None:
    async with demo.client("ann") as ann:
        generation = await ann.ask(demo.shared_conversation(), "go", model=GONE)
        await ann.subscribe(generation)
        view = ann.view(generation)
        await ann.until(lambda: len(view.text) > 160, "some text")
        name = busy_worker(demo, generation)
        killed = demo.kill(name)
        await ann.until(lambda: view.position.attempt == 2, "the next attempt")
        await asyncio.to_thread(until, lambda: len(requests(simulator, GONE)) == 3, "the new request")
        simulator.pace(GONE, 0)
        await ann.ended(generation)
        await demo.back(name, killed)
    assert view.status == "completed"
    assert view.text == demo.row_text(generation) == text_of(GONE)
    assert [method for method, _ in requests(simulator, GONE)] == ["POST", "GET", "POST"]


async def test_a_stop_ends_the_run_at_the_vendor(demo: Demo, simulator: SimulatorProcess) -> None:
    async with demo.client("ann") as ann:
        generation = await ann.ask(demo.shared_conversation(), "go", model=STOPPED)
        await ann.subscribe(generation)
        view = ann.view(generation)
        await ann.until(lambda: bool(view.text), "text")
        await ann.command("generation.stop", generation=generation)
        await ann.ended(generation)
    assert view.status == "stopped"
    until(lambda: requests(simulator, STOPPED)[1:], "the word to the vendor")
    method, path = requests(simulator, STOPPED)[1]
    assert method == "POST"
    assert path.endswith("/cancel")
