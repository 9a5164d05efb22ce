"""Six protections and one more, each taken away from running processes: the checker must then find what it prevents.

Every scene is scripted, so that it does not depend on luck, and runs with the protection too: then nothing is wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.acceptance.rig import Demo, until
from tests.acceptance.simulator_process import SimulatorProcess
from tests.reliability.checker import REVOKED_WITHIN_S, Report
from tests.reliability.ground_truth import wait_all_ended
from tests.reliability.stage import Stage
from tests.reliability.switches.app import HOLD_FINISH, LOST, PASSED_FENCE
from tests.reliability.switches.board import FOLDER, Board
from tests.simulator.text import text_of

pytestmark = pytest.mark.reliability

#: Asked to go on, this model begins its answer again: two attempts never write the same.
#: The long ones last for minutes, so that whatever happens finds them running; then they are told to hurry, or to stop.
ANEW = "sim-tokens=3000+rate=20+seed=1"
SHORT = "sim-tokens=30+rate=40+seed=2"
STEADY = "sim-tokens=3000+rate=30+seed=3"
GOES_ON = "sim-tokens=3000+rate=25+repeat=30+seed=4"
MODELS = [ANEW, SHORT, STEADY, GOES_ON]
BOTH = pytest.mark.parametrize("protected", [True, False], ids=["protected", "unprotected"])


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return Board(tmp_path_factory.mktemp("switches"))


@pytest.fixture(scope="module")
def whole_stage(simulator: SimulatorProcess, board: Board) -> Iterator[Stage]:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.reliability.switches.settings", FOLDER: str(board.folder)}
    with Demo(web=2, workers=2, env=simulator.env(openai=MODELS) | settings) as demo:
        yield Stage(demo)


@pytest.fixture
def stage(whole_stage: Stage, board: Board, simulator: SimulatorProcess) -> Stage:
    simulator.forget()
    for name in os.listdir(board.folder):
        board.clear(name)
    return whole_stage.scene()


def expect(report: Report, protected: bool, *rules: str) -> None:
    """Nothing, or exactly what the protection prevents among other things."""
    found = {anomaly.rule for anomaly in report.violations}
    assert found == set() if protected else found & set(rules), report


async def judge(stage: Stage) -> Report:
    await asyncio.to_thread(wait_all_ended, stage.demo, 150)
    return await asyncio.to_thread(stage.verdict)


async def test_a_log_without_a_fence_shows_what_a_zombie_writes(
    stage: Stage, board: Board, simulator: SimulatorProcess
) -> None:
    """With it: row 13 in test_rows_worker.py, the same scene."""
    async with stage.reader("ann") as ann:
        stream = await ann.ask(stage.conversation, "go", model=ANEW)
        await ann.follow_stream(stream)
        view = ann.view(stream)
        await ann.until(lambda: len(view.text) > 100, "some text")
        frozen = stage.worker_of(stream)
        stage.pause(frozen)
        with redis.Redis.from_url(stage.demo.redis_url) as client:
            try:
                await ann.until(lambda: view.position.attempt == 2, "the next attempt")
                known = len(view.text)
                await ann.until(lambda: len(view.text) > known + 50, "its text")
                client.set("no fence", 1)
                board.set("no fence")
            finally:
                stage.resume(frozen)
            try:
                await asyncio.to_thread(until, lambda: client.exists(PASSED_FENCE), "a write of the zombie")
                simulator.hurry(ANEW)
                with contextlib.suppress(AssertionError):  # the zombie's text may cost its reader the end as well
                    await ann.told_of_the_end(stream, timeout_s=20)
                report = await judge(stage)
            finally:
                client.delete("no fence", PASSED_FENCE)
    expect(report, False, "not-prefix", "shrunk")


@BOTH
async def test_an_end_that_compares_nothing_ends_an_answer_twice(stage: Stage, board: Board, protected: bool) -> None:
    board.set(HOLD_FINISH)
    async with stage.reader("ann") as ann:
        stream = await ann.ask(stage.conversation, "go", model=SHORT)
        await ann.follow_stream(stream)
        view = ann.view(stream)
        await ann.until(lambda: view.text == text_of(SHORT), "all of the text")
        frozen = stage.worker_of(stream)
        pid = stage.demo.pid(frozen)
        await asyncio.to_thread(until, lambda: f"held {pid}" in board, "a worker just before the end")
        stage.pause(frozen)
        try:
            board.clear(HOLD_FINISH)
            await ann.until(lambda: view.position.attempt == 2, "the next attempt")
            if not protected:
                board.set("no compare")
        finally:
            stage.resume(frozen)
        await ann.told_of_the_end(stream)
        if not protected:  # the first end makes the row look quiet: the other worker is still on its way to its own
            with contextlib.suppress(AssertionError):  # the judge will say so
                await asyncio.to_thread(until, lambda: stage.ends_of(stream) == 2, "both ends", 90)
        report = await judge(stage)
    expect(report, protected, "double-bill", "two-terminals", "not-prefix")


@BOTH
async def test_without_contiguity_a_lost_message_is_lost_text(stage: Stage, board: Board, protected: bool) -> None:
    with board.on("lose messages", *([] if protected else ["no contiguity"])):
        async with stage.reader("ann", naive=True) as ann:
            stream = await ann.ask(stage.conversation, "go", model=STEADY)
            await ann.follow_stream(stream)
            for _ in range(3):  # the first may be lost before she was sent anything
                board.clear(LOST)
                await asyncio.to_thread(until, lambda: LOST in board, "a lost message")
            board.clear("lose messages")  # not the end as well
            known = len(ann.view(stream).text)
            await ann.until(lambda: len(ann.view(stream).text) > known, "text after the loss")
            await ann.command("generation.stop", generation=stream)
            await ann.told_of_the_end(stream)
            report = await judge(stage)
    expect(report, protected, "gap")


@BOTH
async def test_without_deduplication_a_doubled_message_is_doubled_text(
    stage: Stage, board: Board, protected: bool
) -> None:
    with board.on("double messages", *([] if protected else ["no dedupe"])):
        async with stage.reader("ann", naive=True) as ann:
            stream = await ann.ask(stage.conversation, "go", model=STEADY)
            await ann.follow_stream(stream)
            view = ann.view(stream)
            await ann.until(lambda: view.counts.get("stream.delta", 0) > 10, "several messages")
            await ann.command("generation.stop", generation=stream)
            await ann.told_of_the_end(stream)
            report = await judge(stage)
    expect(report, protected, "duplicate")


@BOTH
async def test_a_loss_that_is_not_announced_is_no_exception(
    stage: Stage, board: Board, simulator: SimulatorProcess, protected: bool
) -> None:
    with board.on(*([] if protected else ["no announcement"])):
        async with stage.reader("ann") as ann:
            stream = await ann.ask(stage.conversation, "go", model=ANEW)
            await ann.follow_stream(stream)
            view = ann.view(stream)
            await ann.until(lambda: len(view.text) > 100, "some text")
            worker = await freeze_ahead_of_its_row(stage, stream, lambda: len(view.text))
            stage.worker_losses.append(stage.kill(worker))
            stage.kill_valkey_with_its_memory()
            await ann.until_somewhere(lambda: view.position.attempt == 2, "the next attempt")
            simulator.hurry(ANEW)
            await ann.told_of_the_end(stream)
            report = await judge(stage)
    expect(report, protected, "shrunk", "not-prefix")
    assert report.allowed or not protected, "nothing was lost: the test proves nothing"


async def freeze_ahead_of_its_row(stage: Stage, stream: str, shown: Callable[[], int]) -> str:
    """Stops the worker at a moment when people have seen more than the row has; returns its name. Valkey stands still
    as well: nobody else takes the answer over, however long the test then needs."""
    for _ in range(40):
        worker = stage.worker_of(stream)
        stage.pause("valkey")
        stage.pause(worker)
        await asyncio.sleep(0.3)  # what is on its way arrives
        if shown() > len(stage.demo.row_text(stream)) + 20:
            return worker
        stage.resume(worker)
        stage.resume("valkey")
        await asyncio.sleep(0.7)
    raise AssertionError("the row always had everything")


async def test_without_revalidation_a_person_put_out_reads_on(stage: Stage, board: Board) -> None:
    """With it: tests/integration/chat/test_revalidation.py, within a bound that a busy machine may miss here."""
    active = "UPDATE auth_user SET is_active = ? WHERE username = 'bob'"
    with board.on("no revalidation"):
        async with stage.reader("ann") as ann, stage.reader("bob") as bob:
            stream = await ann.ask(stage.conversation, "go", model=GOES_ON)
            for reader in (ann, bob):
                await reader.follow_stream(stream)
            try:
                stage.demo.database.change(active, False)
                stage.revoked[bob.name, stream] = time.monotonic()
                await asyncio.sleep(REVOKED_WITHIN_S + 2)
                known = len(bob.view(stream).text)
                await bob.until(lambda: len(bob.view(stream).text) > known, "text that bob should not see")
                await ann.command("generation.stop", generation=stream)
                await ann.told_of_the_end(stream)
                report = await judge(stage)
            finally:
                stage.demo.database.change(active, True)
    expect(report, False, "leak")


@BOTH
async def test_without_idempotence_a_message_sent_again_is_answered_twice(
    stage: Stage, board: Board, protected: bool
) -> None:
    message = {"model": SHORT, "client_message_id": f"sent twice {protected}"}
    with board.on(*([] if protected else ["no idempotence"])):
        async with stage.reader("ann") as ann:
            first = await ann.ask(stage.conversation, "go", **message)
            await ann.follow_stream(first)
            await ann.told_of_the_end(first)
            await ann.drop()  # and if its answer had been lost with the connection, the client would
            await asyncio.wait_for(ann.online.wait(), 90)
            again = await ann.ask(stage.conversation, "go", **message)
            await ann.follow_stream(again)
            await ann.told_of_the_end(again)
            report = await judge(stage)
    assert (first == again) is protected
    expect(report, protected, "double-bill")


def test_the_product_knows_no_switches() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    sources = [file for folder in ("streaming", "chat", "chatsite") for file in (root / folder).rglob("*.py")]
    assert not [file for file in sources if "switches" in file.read_text()]
