"""What a lane remembers for the estimates, as its own operations wrote it."""

from __future__ import annotations

import random

from streaming.lane_snapshot import Arrival, Closed, Service, WaitEnded
from streaming.lane_values import Penalty, Used
from streaming.wait_board import Board, draw_board
from streaming.wait_estimator import Forecast, WaitEstimator
from tests.integration.streaming.lane_bed import LaneBed


async def test_each_wait_and_each_service_leaves_a_line(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("g1", "ann", output_tokens=100, cost=7)
    await lane.enqueue("g2", "bob", weight=2.0, cost=7)
    await lane.start("g1")
    await lane.store.observe([], lane.ticket("g1"))
    await lane.pass_s(4)
    await lane.store.cancel("g2")
    await lane.pass_s(6)
    await lane.settle("g1", Used(100, 50, 7))
    await lane.store.punish(Penalty("limit", wait_s=3.0))
    now = lane.now_ms
    assert (await lane.snapshot()).history == [
        Arrival(now - 10_000, 7000, "ann"),
        Arrival(now - 10_000, 3500, "bob"),
        WaitEnded(now - 10_000, 0.0, False, "g1"),
        WaitEnded(now - 6000, 4.0, True, "g2"),
        Service(now, 10.0, 100, 50),
        Closed(now, 3.0),
    ]


async def test_a_snapshot_brings_only_what_is_new(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("g1")
    first = await lane.store.snapshot(10)
    await lane.enqueue("g2")
    second = await lane.store.snapshot(10, first.events)
    assert (len(first.history), len(second.history)) == (1, 1)
    assert (await lane.store.snapshot(10, second.events)).history == []


async def test_after_a_loss_of_memory_the_history_begins_again(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    for n in range(5):
        await lane.enqueue(f"g{n}")
    events = (await lane.snapshot()).events
    await lane.client.flushall()
    await lane.build(concurrency=1)
    await lane.enqueue("h1")
    assert len((await lane.store.snapshot(10, events)).history) == 1


async def test_the_history_is_bounded(lane: LaneBed) -> None:
    await lane.build(concurrency=0)
    for n in range(800):
        await lane.enqueue(f"g{n}")
        await lane.store.cancel(f"g{n}")
    assert len((await lane.snapshot()).history) == 1500


async def test_a_wait_is_foretold_exactly_under_a_bucket_and_seen_by_everybody(lane: LaneBed) -> None:
    await lane.build(requests_per_minute=30.0, burst_s=2.0, handoff_s=600.0)
    places = {}
    for n in range(40):
        answer = await lane.enqueue(f"g{n}", f"user{n}")
        places[f"g{n}"] = answer.place
    board = Board.decode(draw_board("test", await forecast(lane)).encode())
    waits = {name: board.wait(place) for name, place in places.items() if place is not None and name != "g0"}
    assert [wait.ahead for wait in waits.values()] == list(range(39))
    started_s = 0.0
    for name, wait in waits.items():
        assert wait.p50_s is not None
        await lane.pass_s(wait.p50_s - started_s)
        assert await lane.drain() == [name]
        started_s = wait.p50_s
    assert started_s == 78.0


async def forecast(lane: LaneBed) -> Forecast:
    return WaitEstimator().estimate(await lane.store.snapshot(500), random.Random(1).random)
