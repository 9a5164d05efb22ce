"""Rows 14 and 16 of the fault matrix, and FLUSHALL: Redis loses its memory, or stands still for ten seconds."""

from __future__ import annotations

import asyncio
import time

import pytest
import redis

from tests.acceptance.rig import until
from tests.acceptance.simulator_process import SimulatorProcess
from tests.reliability.stage import ON_SQLITE, Stage

pytestmark = pytest.mark.reliability

#: Each lasts for minutes, so that every fault finds it running; once the faults are over, it is told to hurry.
MODELS = [f"sim-tokens=3000+rate=20+seed={seed}" for seed in (1, 2, 3)]
#: 5 and 3 s on a quiet machine. That no worker was taken for dead, the number of the attempt says.
GOES_ON_WITHIN_S = 60.0
CAUGHT_UP_WITHIN_S = 60.0
PAUSE_S = 10.0
#: 2.5 s on a quiet machine. The pause goes on until a page came as soon as that: pages never wait for its end.
PAGE_WITHIN_S = 9.0
PAUSE_MOST_S = 60.0


async def test_row_14_redis_killed_and_empty_costs_no_character(stage: Stage, simulator: SimulatorProcess) -> None:
    async with stage.reader("ann") as ann, stage.reader("bob") as bob:
        stream = await ann.ask(stage.conversation, "go", model=MODELS[0])
        for reader in (ann, bob):
            await reader.follow_stream(stream)
        view = ann.view(stream)
        await ann.until(lambda: len(view.text) > 200, "some text")
        before = len(view.text)
        at = stage.kill_valkey_with_its_memory()
        await ann.until(lambda: len(view.text) > before + 60, "text through the new log")
        took = time.monotonic() - at
        simulator.hurry(MODELS[0])
        await ann.ended(stream)
        await bob.ended(stream)
        again = await ann.ask(stage.conversation, "still there?", model=MODELS[0])
        await ann.follow_stream(again)
        await ann.ended(again)
        report = stage.judge()
    assert took <= GOES_ON_WITHIN_S
    assert report.allowed == []
    assert stage.attempt(stream) == 1
    assert not ann.lost_with
    assert not bob.lost_with


@ON_SQLITE
async def test_row_17_flushall_while_streaming_costs_no_character(stage: Stage, simulator: SimulatorProcess) -> None:
    async with stage.reader("ann") as ann:
        stream = await ann.ask(stage.conversation, "go", model=MODELS[1])
        await ann.follow_stream(stream)
        view = ann.view(stream)
        for number in (1, 2, 3):
            await ann.until(lambda n=number: len(view.text) > 120 * n, "some text")  # type: ignore[misc]
            with redis.Redis.from_url(stage.demo.redis_url) as client:
                client.flushall()
            stage.memory_losses.append(time.monotonic())
        simulator.hurry(MODELS[1])
        await ann.ended(stream)
        assert stage.judge().allowed == []
    assert stage.attempt(stream) == 1
    assert not ann.lost_with


async def quickest_page(stage: Stage) -> float:
    """Of those that were asked for, one after the other, during the pause."""
    begun, quickest = time.monotonic(), float("inf")
    session = await asyncio.to_thread(stage.demo.session, "bob")
    while (passed_s := time.monotonic() - begun) < PAUSE_S or (quickest > PAGE_WITHIN_S and passed_s < PAUSE_MOST_S):
        started = time.monotonic()
        await asyncio.to_thread(session.get, "/")
        quickest = min(quickest, time.monotonic() - started)
        await asyncio.sleep(0.1)
    return quickest


async def test_row_16_a_redis_that_stands_still_for_ten_seconds_reaps_nobody(
    stage: Stage, simulator: SimulatorProcess
) -> None:
    async with stage.reader("ann") as ann, stage.reader("bob") as bob:
        stream = await ann.ask(stage.conversation, "go", model=MODELS[2])
        for reader in (ann, bob):
            await reader.follow_stream(stream)
        view = ann.view(stream)
        await ann.until(lambda: len(view.text) > 100, "some text")
        stage.pause("valkey")
        try:
            page_s = await quickest_page(stage)
        finally:
            stage.resume("valkey")
        at, due = time.monotonic(), len(view.text) + 4 * 20 * PAUSE_S * 0.8
        await ann.until(lambda: len(view.text) >= due, "what was written meanwhile")
        assert time.monotonic() - at <= CAUGHT_UP_WITHIN_S
        simulator.hurry(MODELS[2])
        await ann.ended(stream)
        await bob.ended(stream)
        assert stage.judge().allowed == []
    assert page_s <= PAGE_WITHIN_S, "the web process stood still as well"
    assert not ann.lost_with
    assert not bob.lost_with
    assert stage.attempt(stream) == 1
    until(lambda: not any("is gone: generation" in line for line in stage.lines), "no worker taken for dead", 1)
