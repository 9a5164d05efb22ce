"""What the holder of the pacer's lease tells of a lane, and when it comes back to it."""

from __future__ import annotations

import asyncio

import pytest

from streaming import accuracy, database, lane_keeper
from streaming.models import Announcement
from tests.engine import row
from tests.integration.streaming.keeper_bed import LANE, KeeperBed, orders_of


async def test_it_comes_back_when_the_next_may_start_and_at_least_each_second(bed: KeeperBed) -> None:
    keeper = await bed.keeper(requests_per_minute=240.0, burst_s=0.25)
    ids = [await bed.ask(f"user{n}") for n in range(3)]
    assert bed.sent_ids() == ids[:1]
    assert await keeper.drain() == 0.25
    await bed.pass_s(0.25)
    await keeper.drain()
    assert bed.sent_ids() == ids[:2]
    keeper.orders = orders_of(requests_per_minute=20.0, burst_s=10.0)
    assert await keeper.drain() == lane_keeper.PERIOD_S
    await bed.pass_s(3)
    assert await keeper.drain() == lane_keeper.PERIOD_S
    assert bed.sent_ids() == ids


async def test_each_tick_tells_one_board_while_somebody_waits_one_when_it_is_empty_and_few_else(bed: KeeperBed) -> None:
    keeper = await bed.keeper(concurrency=1)
    first, second = await bed.ask("ann"), await bed.ask("bob")
    for tick in range(3):
        await keeper.tell(float(tick))
    assert [board.depth for board in bed.told] == [1, 1, 1]
    assert {board.lane for board in bed.told} == {LANE}
    stored = await row(second)
    assert stored.lane_seq is not None
    place = (await bed.store.snapshot(1)).waiting[0].place
    assert (stored.lane_tag, stored.lane_seq) == place
    assert bed.told[-1].wait(place).p50_s is not None
    await bed.end(await bed.begin(first))
    for tick in range(3, 14):
        await keeper.tell(float(tick))
    assert [board.depth for board in bed.told[3:]] == [0, 0]  # at once, and ten seconds later


async def test_a_closed_lane_is_told_each_tick_with_its_reason(bed: KeeperBed) -> None:
    keeper = await bed.keeper()
    await bed.store.block("No money is left.")
    for tick in range(3):
        await keeper.tell(float(tick))
    assert [(board.closed, board.blocked) for board in bed.told] == [("blocked", "No money is left.")] * 3


async def test_the_streams_have_their_turn_between_the_slices_of_an_estimate(bed: KeeperBed) -> None:
    keeper = await bed.keeper(concurrency=1)
    for n in range(30):
        await bed.ask(f"user{n}")
    turns = 0

    async def stream() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(stream())
    seen = await keeper._boards.look()
    before = turns
    await keeper._boards._estimate(seen)
    other.cancel()
    assert turns - before >= 10


async def test_how_an_announced_wait_turned_out_is_stored(bed: KeeperBed) -> None:
    keeper = await bed.keeper(requests_per_minute=60.0, burst_s=1.0)
    first, second = await bed.ask("ann"), await bed.ask("bob")
    await bed.begin(first)
    await keeper.tell(0.0)
    await bed.pass_s(1.0)
    await keeper.drain()
    ticket = await bed.begin(second)
    await bed.store.observe([], ticket)  # the provider took it: its wait is over for certain
    await keeper.tell(1.0)
    (stored,) = await database.call(list, Announcement.objects.all())
    assert (str(stored.generation_id), stored.lane, stored.gave_up) == (second, LANE, False)
    assert stored.announced_at.timestamp() * 1000 == pytest.approx(bed.now_ms - 1000)
    assert stored.actual_s == pytest.approx(1.0, abs=0.01)
    found = await database.call(accuracy.accuracy, LANE)
    assert (found.count, found.coverage) == (1, 1.0)
