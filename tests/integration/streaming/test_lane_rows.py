"""A lane follows its rows: it is built from them after a loss of memory, and compared with them while it stands."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streaming import database
from streaming.lane_store import LaneStore
from streaming.lane_values import LaneLost
from streaming.models import Lane
from streaming.states import Status
from tests.engine import change_row, row
from tests.integration.streaming.keeper_bed import LANE, KeeperBed, accept, orders_of

# Building it again


async def test_after_a_loss_of_memory_everybody_has_the_old_place_and_nobody_starts_twice(bed: KeeperBed) -> None:
    keeper = await bed.keeper(concurrency=2)
    ids = [await bed.ask(user) for user in ("ann", "bob", "ann", "cid", "ann", "bob", "dan")]
    running = [await bed.begin(generation_id) for generation_id in ids[:2]]
    order = await bed.order()
    assert sorted(order) == sorted(ids[2:])
    await bed.lose_memory()
    with pytest.raises(LaneLost):
        await keeper.drain()
    await bed.drain(keeper)
    assert await bed.order() == order
    assert bed.sent_ids() == ids[:2]
    for ticket in running:  # their workers noticed nothing
        assert await bed.store.beat([(ticket, 10)]) == [True]
        await bed.end(ticket)
    for generation_id in order:
        await bed.end(await bed.begin(generation_id))
    assert bed.sent_ids() == ids[:2] + order
    assert await bed.order() == []


async def test_whoever_asked_while_the_lane_was_away_stands_behind_those_who_waited(bed: KeeperBed) -> None:
    keeper = await bed.keeper(concurrency=1, requests_per_minute=6000.0)
    for _ in range(8):  # the lane's tags are far from zero by now
        await bed.end(await bed.begin(await bed.ask("ann")))
        await bed.pass_s(1)
    running = await bed.begin(await bed.ask("ann"))
    waiting = [await bed.ask(f"user{n}", age_s=5.0) for n in range(3)]
    await bed.end(running)
    handed_over = bed.sent_ids()[-1]
    await bed.lose_memory()
    late = [await database.call(accept, name, age_s=age_s) for name, age_s in (("new", 2.0), ("other", 1.0))]
    await bed.drain(keeper)
    assert handed_over == waiting[0]
    assert bed.sent_ids()[-1] == handed_over
    assert await bed.order() == waiting[1:] + late
    stored, (standing,) = await row(late[-1]), await bed.store.standings(late[-1:])
    assert standing is not None
    assert (stored.lane_tag, stored.lane_seq) == standing.place  # where the next loss of memory finds it


async def test_each_building_has_an_epoch_of_its_own(bed: KeeperBed) -> None:
    keeper, epochs = await bed.keeper(), list[str]()
    for _ in range(3):
        epochs.append((await bed.store.snapshot(1)).epoch)
        await bed.lose_memory()
        assert await keeper.rebuild()
    assert len(set(epochs)) == 3


async def test_a_lane_that_was_built_again_is_still_blocked(bed: KeeperBed) -> None:
    keeper = await bed.keeper()
    await bed.store.block("No money is left.")
    waiting = await bed.ask()
    await keeper.tell(0.0)
    keeper.orders = orders_of(blocked=(await lane_row()).blocked_reason)
    await bed.lose_memory()
    await bed.drain(keeper)
    assert (await bed.store.snapshot(1)).blocked == "No money is left."
    assert await bed.order() == [waiting]
    assert bed.sent == []


async def test_a_look_at_a_half_built_lane_does_not_make_its_row_forget_that_it_is_blocked(
    bed: KeeperBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = await bed.keeper(blocked="No money is left.")
    await bed.lose_memory()
    block, looks = LaneStore.block, list[asyncio.Task[None]]()

    async def look_first(self: LaneStore, reason: str) -> None:
        looks.append(asyncio.create_task(keeper.tell(0.0)))
        await asyncio.sleep(0.05)
        await block(self, reason)

    monkeypatch.setattr(LaneStore, "block", look_first)
    assert await keeper.rebuild()
    await asyncio.gather(*looks)
    assert len(looks) == 1
    assert (await lane_row()).blocked_reason == "No money is left."


async def lane_row() -> Lane:
    return await database.call(Lane.objects.get, name=LANE)


async def test_what_was_unblocked_is_not_blocked_by_its_row(bed: KeeperBed) -> None:
    keeper = await bed.keeper(blocked="No money is left.")
    await bed.store.unblock()
    await keeper.tell(0.0)
    assert (await lane_row()).blocked_reason == ""
    assert keeper.orders.blocked == ""


async def test_workers_room_and_limits_hold_before_anybody_starts_in_a_lane_built_again(bed: KeeperBed) -> None:
    keeper = await bed.keeper(slots=1, requests_per_minute=60.0)
    ids = [await bed.ask(f"user{n}") for n in range(4)]
    assert bed.sent_ids() == ids[:1]
    await bed.lose_memory()  # before any worker came: it waits again, like the others
    await bed.drain(keeper)
    assert bed.sent_ids() == [ids[0], ids[0]]
    assert (await bed.store.snapshot(9)).slots == 1


async def test_whoever_died_while_building_holds_nobody_up_for_long(bed: KeeperBed) -> None:
    keeper = await bed.keeper(concurrency=0)
    waiting = await bed.ask()
    await bed.lose_memory()
    assert await bed.store.open("the dead one's", orders_of().limits, 0) == "OK"
    assert not await keeper.rebuild()
    await bed.pass_s(11)
    assert await keeper.rebuild()
    assert await bed.order() == [waiting]


async def test_a_build_that_failed_begins_again_at_once(bed: KeeperBed, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = await bed.keeper(concurrency=0)
    waiting = await bed.ask()
    await bed.lose_memory()

    async def fail(*_: Any) -> str:
        raise ConnectionError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(LaneStore, "restore", fail)
        with pytest.raises(ConnectionError):
            await keeper.rebuild()
    assert await keeper.rebuild()
    assert await bed.order() == [waiting]


async def test_a_build_that_failed_at_its_end_is_completed_by_the_next_drain(
    bed: KeeperBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = await bed.keeper(concurrency=2)
    waiting = await bed.ask()
    await bed.lose_memory()

    async def fail(*_: Any) -> str:
        raise ConnectionError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(LaneStore, "set_capacity", fail)
        with pytest.raises(ConnectionError):
            await keeper.rebuild()
    assert bed.sent_ids() == [waiting]
    await keeper.drain()
    assert bed.sent_ids() == [waiting, waiting]


# Comparing it with the rows


async def test_the_ticket_of_a_row_that_is_over_goes(bed: KeeperBed) -> None:
    keeper = await bed.keeper(concurrency=1)
    over, gone, waiting = await bed.ask("ann"), await bed.ask("bob"), await bed.ask("cid")
    await bed.begin(over)
    await change_row(over, status=Status.COMPLETED, finished_at=(await row(waiting)).requested_at)
    await database.call((await row(gone)).delete)
    await bed.pass_s(4)
    await keeper.reconcile()
    assert (await bed.state(over), await bed.state(gone)) == ("r", "q")  # perhaps its worker settles it just now
    await bed.pass_s(11)
    past = (await row(waiting)).requested_at.replace(year=2020)
    await change_row(over, finished_at=past)
    await keeper.reconcile()
    assert (await bed.state(over), await bed.state(gone)) == ("", "")
    assert bed.sent_ids() == [over, waiting]


async def test_a_live_row_without_a_ticket_gets_one(bed: KeeperBed) -> None:
    keeper = await bed.keeper(concurrency=0)
    old = await database.call(accept, "ann", age_s=10)
    fresh = await database.call(accept, "bob")
    running = await database.call(accept, "cid", age_s=10, status=Status.STREAMING, admission=7)
    await keeper.reconcile()
    assert [await bed.state(ticket) for ticket in (old, fresh, running)] == ["q", "", "r"]
    stored = await row(old)
    (standing,) = await bed.store.standings([old])
    assert standing is not None
    assert (stored.lane_tag, stored.lane_seq) == standing.place
    assert bed.sent == []


async def test_a_row_that_waits_for_its_next_try_is_left_alone(bed: KeeperBed) -> None:
    keeper = await bed.keeper(concurrency=0)
    waiting = await database.call(accept, "ann", age_s=10)
    later = (await row(waiting)).deadline_at
    await change_row(waiting, wait_until=later)
    await keeper.reconcile()
    assert await bed.state(waiting) == ""


async def test_a_waiting_row_whose_ticket_runs_goes_back_when_that_is_seen_twice(bed: KeeperBed) -> None:
    keeper = await bed.keeper(concurrency=1)
    lost, _ = await bed.ask("ann"), await bed.ask("bob")
    assert (await bed.store.start(bed.ticket(lost), "dead")).status == "OK"
    await keeper.reconcile()
    await keeper.reconcile()
    assert await bed.state(lost) == "r"  # not yet for the time of a hand-over
    await bed.pass_s(6)
    await keeper.reconcile()
    assert await bed.state(lost) == "r"  # its claim may be on the way
    await keeper.reconcile()
    assert bed.sent_ids() == [lost, lost]
    assert bed.sent[0].admission != bed.sent[1].admission


async def test_a_claimed_row_keeps_its_ticket_however_long_it_runs(bed: KeeperBed) -> None:
    keeper = await bed.keeper()
    ticket = await bed.begin(await bed.ask())
    for _ in range(3):
        await bed.pass_s(60)
        await keeper.reconcile()
        assert await bed.store.beat([(ticket, 1)]) == [True]
