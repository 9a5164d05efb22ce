"""Rows 8, 9, 13, 30 and 31 of the fault matrix: workers that die, freeze, or are told the same thing again."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from tests.acceptance.rig import BASE_DIR, until
from tests.acceptance.simulator_process import SimulatorProcess
from tests.reliability.stage import GOES_ON_WITHIN_S, Stage

pytestmark = pytest.mark.reliability

#: Each lasts for minutes, so that every fault finds it running; once the faults are over, it is told to hurry.
SLOW_START = "sim-tokens=30+rate=30+first=50+seed=1"
LONG = "sim-tokens=3000+rate=20+repeat=30+seed=2"
FROZEN = "sim-tokens=3000+rate=20+repeat=30+seed=4"
ONCE = "sim-tokens=3000+rate=25+seed=3"
MODELS = [SLOW_START, LONG, FROZEN, ONCE]


async def test_row_8_a_worker_killed_before_the_first_token_is_replaced(
    stage: Stage, simulator: SimulatorProcess
) -> None:
    async with stage.reader("ann") as ann, stage.reader("bob") as bob:
        stream = await ann.ask(stage.conversation, "go", model=SLOW_START)
        for reader in (ann, bob):
            await reader.follow_stream(stream)
        view = ann.view(stream)
        await ann.until(lambda: view.position.attempt == 1, "the start")
        assert view.text == ""
        at = stage.kill_worker_of(stream)
        await ann.until(lambda: view.position.attempt == 2, "the next attempt", GOES_ON_WITHIN_S + 30)
        assert time.monotonic() - at <= GOES_ON_WITHIN_S
        assert view.text == ""
        simulator.hurry(SLOW_START)
        await ann.ended(stream)
        await bob.ended(stream)
        stage.judge()
    assert stage.status(stream) == "completed"


async def test_row_9_several_workers_killed_in_the_middle_of_one_answer(
    stage: Stage, simulator: SimulatorProcess
) -> None:
    kills = 2 if stage.is_sqlite else 1
    async with stage.reader("ann") as ann, stage.reader("bob") as bob:
        stream = await ann.ask(stage.conversation, "go", model=LONG)
        for reader in (ann, bob):
            await reader.follow_stream(stream)
        view = ann.view(stream)
        for number in range(1, kills + 1):
            enough = len(view.text) + 60 * number
            await ann.until(lambda enough=enough: len(view.text) > enough, "some text")  # type: ignore[misc]
            shown, at = view.text, stage.kill_worker_of(stream)
            started = view.position.attempt
            going_on = lambda n=started: view.position.attempt > n  # type: ignore[misc]  # noqa: E731
            await ann.until(going_on, "the next attempt", GOES_ON_WITHIN_S + 30)
            assert time.monotonic() - at <= GOES_ON_WITHIN_S
            assert view.text.startswith(shown)
        simulator.hurry(LONG)
        await ann.ended(stream)
        await bob.ended(stream)
        stage.judge()
    assert (stage.status(stream), stage.attempt(stream)) == ("completed", kills + 1)


async def test_row_13_a_zombie_is_refused_everything(stage: Stage, simulator: SimulatorProcess) -> None:
    async with stage.reader("ann") as ann:
        stream = await ann.ask(stage.conversation, "go", model=FROZEN)
        await ann.follow_stream(stream)
        view = ann.view(stream)
        await ann.until(lambda: len(view.text) > 100, "some text")
        name = stage.worker_of(stream)
        pid = stage.demo.pid(name)
        stage.pause(name)
        try:
            await ann.until(lambda: view.position.attempt == 2, "the next attempt")
            text = view.text
            await ann.until(lambda: len(view.text) > len(text) + 50, "its text")
        finally:
            stage.resume(name)
        # Whichever it tries first: after one refusal it lets go by itself.
        what = "the refusal of what it still writes"
        refused = await asyncio.to_thread(until, lambda: stage.fenced(pid), what)
        assert refused.keys() <= {"append", "checkpoint", "finish"}
        other = stage.worker_of(stream)
        assert other != name
        simulator.hurry(FROZEN)
        await ann.ended(stream)
        stage.judge()
    assert (stage.status(stream), stage.attempt(stream)) == ("completed", 2)
    assert stage.demo.pid(name) == pid


class Sender:
    """Sends Celery messages (admission, lane) for a stream, twice each, from a process with the demo's own settings: it
    stands ready before there is a stream, so that no answer must last as long as its start."""

    CODE = (
        "import ast, sys, django; django.setup()\n"
        "from streaming.tasks import run_generation\n"
        "print('ready', flush=True)\n"
        "for line in sys.stdin:\n"
        "    stream, messages = ast.literal_eval(line)\n"
        "    for message in 2 * messages: run_generation.delay(stream, *message)\n"
        "    print('sent', flush=True)\n"
    )

    def __init__(self, stage: Stage) -> None:
        redis = stage.demo.data / "valkey" / "valkey.sock"
        self.env = {
            "DJANGO_SETTINGS_MODULE": "chatsite.settings",
            "SECRET_KEY": "for-tests",
            "DATABASE_URL": stage.demo.database.url,
            "REDIS_URL": f"unix://{redis}",
            "CELERY_BROKER_URL": f"redis+socket://{redis}",
        }

    def __enter__(self) -> Sender:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.CODE], env=self.env, cwd=BASE_DIR, text=True, stdin=pipe, stdout=pipe
        )
        self._hear("ready")
        return self

    def __exit__(self, *error: object) -> None:
        with self.process:  # closes its pipes and waits; a process that hangs is for the test's own deadline
            pass

    def send(self, stream: str, messages: list[tuple[int, str]]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{(stream, messages)!r}\n")
        self.process.stdin.flush()
        self._hear("sent")

    def _hear(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{word}\n"


async def test_rows_30_and_31_a_message_sent_again_asks_the_provider_once(
    stage: Stage, simulator: SimulatorProcess
) -> None:
    with Sender(stage) as sender:
        async with stage.reader("ann") as ann:
            stream = await ann.ask(stage.conversation, "go", model=ONCE)
            await ann.follow_stream(stream)
            await ann.until(lambda: bool(ann.view(stream).text), "text")
            admission, lane = stage.admission(stream)
            # The same again; one that was never sent; the permission to end; one whose lane is not known.
            messages = [(admission, lane), (admission + 1, lane), (0, ""), (admission, "nobody's")]
            await asyncio.to_thread(sender.send, stream, messages)
            assert stage.status(stream) == "streaming", "it was not sent while it runs: the test proves nothing"
            simulator.hurry(ONCE)
            await ann.ended(stream)
            events = dict(ann.view(stream).counts)
            await asyncio.to_thread(sender.send, stream, messages)  # after its end
            await asyncio.to_thread(sender.send, "00000000-0000-4000-8000-000000000000", messages)  # of no row
            after = await ann.ask(stage.conversation, "and now?", model=ONCE)  # the queue is served in order
            await ann.follow_stream(after)
            await ann.ended(after)
            stage.judge()
            assert ann.view(stream).counts == events
    assert len(simulator.exchanges(ONCE)) == 2
    assert stage.attempt(stream) == 1
