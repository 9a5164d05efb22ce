"""What the holder of the pacer's lease tells of a lane, and when it comes back to it."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from streaming import accuracy, database, lane_keeper
from streaming.forecasts import NoForecast
from streaming.lane_boards import STILL_S
from streaming.lane_snapshot import parse_snapshot
from streaming.lane_store import LaneStore
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


async def test_each_change_is_told_in_the_next_tick_and_an_empty_lane_once(bed: KeeperBed) -> None:
    keeper = await bed.keeper(concurrency=1)
    first, second = await bed.ask("ann"), await bed.ask("bob")
    await keeper.tell(0.0)
    await bed.ask("cid")
    await keeper.tell(1.0)
    assert [board.depth for board in bed.told] == [1, 2]
    assert {board.lane for board in bed.told} == {LANE}
    stored = await row(second)
    assert stored.lane_seq is not None
    place = (await bed.store.snapshot(1)).waiting[0].place
    assert (stored.lane_tag, stored.lane_seq) == place
    assert bed.told[-1].wait(place).p50_s is not None
    await bed.end(await bed.begin(first))
    await keeper.tell(2.0)
    await bed.end(await bed.begin(second))
    for tick in range(3, 14):
        await keeper.tell(float(tick))
    assert [board.depth for board in bed.told[2:]] == [1, 0, 0]  # at once, and ten seconds later


async def test_a_lane_in_which_nothing_happens_is_told_every_few_seconds(bed: KeeperBed) -> None:
    keeper = await bed.keeper(concurrency=1)
    await bed.ask("ann"), await bed.ask("bob")
    for tick in range(12):
        await bed.pass_s(1.0)
        await keeper.tell(float(tick))
    told_s = [(board.now_ms - bed.told[0].now_ms) / 1000 for board in bed.told]
    assert told_s == [0, 1, 1 + STILL_S, 1 + 2 * STILL_S]  # the second one is for who came just before the first


async def test_a_lane_in_which_nothing_happens_is_only_glanced_at(
    bed: KeeperBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = []
    fetch = LaneStore.unread_snapshot

    async def counted(store: LaneStore, depth: int, events: int = 0) -> Any:
        pictures.append(depth)
        return await fetch(store, depth, events)

    monkeypatch.setattr(LaneStore, "unread_snapshot", counted)
    keeper = await bed.keeper(concurrency=1)
    await bed.ask("ann"), await bed.ask("bob")
    for tick in range(5):
        await bed.pass_s(1.0)
        await keeper.tell(float(tick))
    assert len(pictures) == 2
    assert (keeper.running, len(bed.told)) == (1, 2)
    await bed.ask("cid")
    await keeper.tell(5.0)
    assert len(pictures) == 3


@pytest.mark.parametrize("limit", [{"concurrency": 2}, {"requests_per_minute": 3.0}, {"user_concurrency": 1}])
async def test_a_changed_limit_is_a_change(bed: KeeperBed, limit: dict[str, Any]) -> None:
    keeper = await bed.keeper(concurrency=1)
    await bed.ask("ann"), await bed.ask("ann"), await bed.ask("ann")
    await keeper.tell(0.0)
    keeper.orders = orders_of(**{"concurrency": 1, **limit})
    await keeper.drain()
    await keeper.tell(1.0)
    assert len(bed.told) == 2


async def test_a_closed_lane_is_told_with_its_reason(bed: KeeperBed) -> None:
    keeper = await bed.keeper()
    await bed.store.block("No money is left.")
    await keeper.tell(0.0)
    assert [(board.closed, board.blocked) for board in bed.told] == [("blocked", "No money is left.")]


async def test_the_streams_have_their_turn_while_an_estimate_is_made(bed: KeeperBed) -> None:
    """It is made by another process: this one's loop only waits. No time is measured, only who came to turn."""
    keeper = await bed.keeper(concurrency=1)
    await bed.ask("ann"), await bed.ask("bob")
    await keeper.tell(0.0)
    pid = bed.forecasts.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await bed.ask("cid")
    telling = asyncio.create_task(keeper.tell(1.0))
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert not telling.done()
    os.kill(pid, signal.SIGCONT)
    await telling
    assert [board.depth for board in bed.told] == [1, 2]


async def test_who_estimates_after_a_death_learns_the_whole_past(bed: KeeperBed) -> None:
    keeper = await bed.keeper(concurrency=1)
    for user in ("ann", "bob", "cid"):
        await bed.ask(user)
    await keeper.tell(0.0)
    pid = bed.forecasts.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await bed.ask("dan")
    with pytest.raises(NoForecast):
        await keeper.tell(1.0)
    seen, picture = await keeper._boards.look(2.0)
    assert picture is not None
    assert len(parse_snapshot(picture).history) == seen.events
    await keeper.tell(2.0)
    assert [board.depth for board in bed.told] == [2, 3]
    assert bed.forecasts.pid not in (None, pid)


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
