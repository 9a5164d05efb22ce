"""The process that makes estimates: it dies, hangs, fails, is orphaned, and nobody waits for it for long."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from streaming import forecasts
from streaming.forecaster import Forecaster, Question
from streaming.forecasts import Forecasts, NoForecast
from streaming.wait_board import Board
from tests.acceptance.rig import is_alive
from tests.engine import until
from tests.integration.streaming.lane_bed import LaneBed

ORPHAN = """
import asyncio, time
from streaming.forecaster import Question
from streaming.forecasts import Forecasts, NoForecast

async def main():
    there = Forecasts()
    try:
        await there.ask(Question("a lane", []), 0)
    except NoForecast:
        print(there.pid, flush=True)
    time.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
async def there() -> AsyncIterator[Forecasts]:
    found = Forecasts()
    yield found
    found.end()


@pytest.fixture
async def question(lane: LaneBed) -> Question:
    await lane.build(requests_per_minute=60.0, burst_s=1.0)
    for n in range(5):
        await lane.enqueue(f"g{n}", f"user{n}")
    await lane.drain()
    return Question("a lane", await lane.store.unread_snapshot(500))


async def gone(pid: int | None) -> None:
    await until(lambda: pid is not None and not is_alive(pid))


async def test_it_tells_what_would_be_told_here(there: Forecasts, question: Question) -> None:
    told = await there.ask(question, 0)
    here = Forecaster(random.Random(1).random).tell(question)
    assert Board.decode(told.board).depth == 4
    assert told.board == here.board  # nothing is left to chance in a lane that only its bucket limits
    assert told.cpu_s > 0


async def test_after_its_death_another_one_answers_whoever_asks_it_anew(there: Forecasts, question: Question) -> None:
    await there.ask(question, 0)
    pid = there.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(NoForecast):
        await there.ask(question, 0)
    with pytest.raises(NoForecast):  # made for the dead one: it may lack what that one knew
        await there.ask(question, 0)
    await there.ask(question, there.run)
    assert there.pid != pid


async def test_one_that_hangs_is_replaced(
    there: Forecasts, question: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    await there.ask(question, 0)
    pid = there.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(forecasts, "ANSWER_S", 0.2)
    with pytest.raises(NoForecast):
        await there.ask(question, 0)
    await gone(pid)
    monkeypatch.undo()
    await there.ask(question, there.run)


async def test_an_estimate_that_fails_harms_no_other_lane(there: Forecasts, question: Question) -> None:
    await there.ask(question, 0)
    pid = there.pid
    with pytest.raises(NoForecast):
        await there.ask(replace(question, lane="another lane", reply=question.reply[:5]), 0)
    await there.ask(question, 0)
    assert there.pid == pid


async def test_who_gives_up_asking_leaves_no_answer_for_the_next(there: Forecasts, question: Question) -> None:
    await there.ask(question, 0)
    pid = there.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    asking = asyncio.create_task(there.ask(replace(question, lane="not heard"), 0))
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert Board.decode((await there.ask(question, there.run)).board).lane == "a lane"
    await gone(pid)


async def test_it_is_ended_at_once_and_also_before_it_has_begun(there: Forecasts, question: Question) -> None:
    await there.ask(question, 0)
    pid = there.pid
    there.end()
    await gone(pid)
    asking = asyncio.create_task(there.ask(question, there.run))
    await asyncio.sleep(0)
    child = there._child
    assert child is not None
    there.end()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: child.pid is None or not is_alive(child.pid))


async def test_signals_to_the_whole_group_are_for_its_parent(there: Forecasts, question: Question) -> None:
    await there.ask(question, 0)
    pid = there.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)
    await there.ask(question, 0)
    assert there.pid == pid


async def test_it_ends_with_a_parent_that_is_killed() -> None:
    parent = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
    )
    with parent:
        try:
            assert parent.stdout is not None
            pid = int(await asyncio.to_thread(parent.stdout.readline))
            assert is_alive(pid)
        finally:
            parent.kill()
    await gone(pid)
