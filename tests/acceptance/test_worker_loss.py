"""Killing a worker does not cost the answer: another one goes on from what people have seen."""

from __future__ import annotations

import os
import time

import pytest

from tests.acceptance.rig import Demo, until
from tests.acceptance.simulator_process import SimulatorProcess
from tests.simulator.text import text_of

pytestmark = pytest.mark.acceptance

#: Half of it is promised where the machine is ours.
GOES_ON_WITHIN_S = 30.0 if os.environ.get("CHATSITE_FULL") == "1" else 150.0

#: All answers here go on for minutes, until their worker was lost: then they are told to come to their end.
STORY = "sim-tokens=3000+rate=20+repeat=0+seed=51"
STOPPED = "sim-tokens=3000+rate=20+repeat=0+seed=52"
SILENT = "sim-tokens=60+first=900+seed=53"
#: Asked to go on, it repeats 50 characters first.
FORGETFUL = {"chat": "sim-tokens=3000+rate=20+repeat=50+seed=1", "messages": "sim-tokens=3000+rate=20+repeat=50+seed=2"}
MODELS, ANTHROPIC_MODELS = [STORY, STOPPED, SILENT, FORGETFUL["chat"]], [FORGETFUL["messages"]]


def busy_worker(demo: Demo, generation: str) -> str:
    """The name of the process that holds the generation."""
    worker = demo.rows("SELECT worker FROM streaming_generation WHERE id = ?", generation.replace("-", ""))[0]["worker"]
    pid = int(worker.split(":")[1])
    return next(name for name, known in demo.pids().items() if known == pid)


async def test_the_answer_goes_on_as_one_message_equal_to_an_undisturbed_one(
    demo: Demo, simulator: SimulatorProcess
) -> None:
    question = "please tell me a story"
    async with demo.client("ann") as ann, demo.client("bob") as bob:
        conversation = demo.shared_conversation()
        ann.keep_history = True
        generation = await bob.ask(conversation, question, model=STORY)
        for client in (ann, bob):
            await client.subscribe(generation)
        view = ann.view(generation)
        await ann.until(lambda: len(view.text) > 160, "some text")
        name = busy_worker(demo, generation)
        killed, at, shown = demo.kill(name), time.monotonic(), view.text
        await ann.until(lambda: view.position.attempt == 2, "the next attempt")
        assert time.monotonic() - at <= GOES_ON_WITHIN_S
        simulator.pace(STORY, 0)
        views = [await client.ended(generation) for client in (ann, bob)]
        await demo.back(name, killed)
        answer = await bob.command("generation.retry", generation=generation)  # the same question, asked again
        await bob.subscribe(answer["generation"])
        undisturbed = await bob.ended(answer["generation"])
    assert views[0].text.startswith(shown)
    assert views[0].status == "completed"
    assert views[0].text == views[1].text == demo.row_text(generation)
    assert views[0].text == undisturbed.text
    assert all(views[0].text.startswith(text) for text in view.history)
    attempts = demo.rows(
        "SELECT number, outcome, usage_source FROM streaming_attempt WHERE generation_id = ? ORDER BY number",
        generation.replace("-", ""),
    )
    assert [tuple(row.values()) for row in attempts] == [(1, "lost", "counted"), (2, "completed", "provider")]


@pytest.mark.parametrize("dialect", ["chat", "messages"])
async def test_nothing_is_shown_twice_when_the_model_repeats_itself_at_the_seam(
    demo: Demo, simulator: SimulatorProcess, dialect: str
) -> None:
    model = FORGETFUL[dialect]
    async with demo.client("ann") as ann:
        generation = await ann.ask(demo.shared_conversation(), "go", model=model)
        await ann.subscribe(generation)
        view = ann.view(generation)
        await ann.until(lambda: len(view.text) > 240, "some text")
        name = busy_worker(demo, generation)
        killed = demo.kill(name)
        await ann.until(lambda: view.position.attempt == 2, "the next attempt")
        simulator.pace(model, 0)
        ended = await ann.ended(generation)
        await demo.back(name, killed)
    first, second = simulator.exchanges(model)
    assert second["text"][:50] in first["text"], "it repeated nothing: the test proves nothing"
    assert ended.text == demo.row_text(generation) == text_of(model)


async def test_a_worker_killed_before_the_first_text_is_replaced_silently(
    demo: Demo, simulator: SimulatorProcess
) -> None:
    async with demo.client("ann") as ann:
        generation = await ann.ask(demo.shared_conversation(), "go", model=SILENT)
        await ann.subscribe(generation)
        view = ann.view(generation)
        await ann.until(lambda: view.position.attempt == 1, "the start")
        name = busy_worker(demo, generation)
        killed, at = demo.kill(name), time.monotonic()
        await ann.until(lambda: view.position.attempt == 2, "the next attempt")
        assert time.monotonic() - at <= GOES_ON_WITHIN_S
        assert view.text == ""
        simulator.pace(SILENT, 0)
        ended = await ann.ended(generation)
        await demo.back(name, killed)
    assert ended.status == "completed"
    assert ended.text == demo.row_text(generation) == text_of(SILENT)


async def test_a_stop_while_nobody_answers_keeps_all_that_was_shown(demo: Demo) -> None:
    async with demo.client("ann") as ann:
        generation = await ann.ask(demo.shared_conversation(), "go", model=STOPPED)
        await ann.subscribe(generation)
        view = ann.view(generation)
        await ann.until(lambda: len(view.text) > 120, "some text")
        name = busy_worker(demo, generation)
        killed = demo.kill(name)
        shown = view.text
        await ann.command("generation.stop", generation=generation)
        ended = await ann.ended(generation)
        await demo.back(name, killed)
    assert ended.status == "stopped"
    assert ended.text.startswith(shown)
    assert ended.text == demo.row_text(generation)
    until(lambda: not demo.rows("SELECT 1 FROM streaming_attempt WHERE outcome = ''"), "the end of all attempts")
