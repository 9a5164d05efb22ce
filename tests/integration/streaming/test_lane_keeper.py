"""Whoever holds the pacer's lease keeps all lanes; nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from streaming import database, keys, lane_keeper, lane_tickets, lanes, redis_client, worker_slots
from streaming.lane_keeper import LaneKeepers
from streaming.lane_values import LaneLost
from streaming.models import Lane
from streaming.pacer import Pacer
from streaming.states import Status
from tests.engine import Change, change_row, row, until
from tests.integration.streaming.keeper_bed import LANE, MODEL, KeeperBed, accept, orders_of


@pytest.fixture
async def keepers(bed: KeeperBed, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LaneKeepers]:
    monkeypatch.setattr(lane_keeper, "PERIOD_S", 0.02)
    there = LaneKeepers()
    yield there
    await there.rest()


async def lead(keepers: LaneKeepers) -> None:
    await keepers.lead(asyncio.get_running_loop().time(), 60.0)


async def stands() -> bool:
    """Built to the end: before that it has no slot."""
    try:
        return (await lanes.store(LANE).snapshot(1)).slots != 0
    except LaneLost:
        return False


async def test_whoever_leads_builds_every_lane_of_the_catalogue_with_the_limits_of_its_row(
    bed: KeeperBed, keepers: LaneKeepers, change: Change
) -> None:
    change(models=({**MODEL, "limits": {"concurrency": 3}},), lane_limits={"requests_per_minute": 30})
    await lead(keepers)
    await until(stands)
    stored = await database.call(Lane.objects.get, name=LANE)
    assert (stored.concurrency, stored.requests_per_minute) == (3, 30)
    seen = await bed.store.snapshot(1)
    assert (seen.slots, seen.buckets["r"].rate) == (3, pytest.approx(0.5 * 0.98))


async def test_a_changed_row_holds_within_a_tick(bed: KeeperBed, keepers: LaneKeepers, change: Change) -> None:
    change(lane_limits={"concurrency": 1})
    await lead(keepers)
    await until(stands)
    ids = [await bed.ask(f"user{n}") for n in range(3)]
    assert bed.sent_ids() == ids[:1]
    await database.call(Lane.objects.filter(name=LANE).update, concurrency=3)
    await lead(keepers)
    await until(lambda: len(bed.sent) == 3)


async def test_who_leads_again_makes_its_orders_hold_again(
    bed: KeeperBed, keepers: LaneKeepers, change: Change
) -> None:
    change(lane_limits={"concurrency": 3})
    await lead(keepers)
    await until(stands)
    await keepers.rest()
    await bed.store.configure(orders_of(concurrency=1).limits)  # another holder, whose settings were other ones
    await lead(keepers)

    async def hold() -> bool:
        return (await bed.store.snapshot(1)).slots == 3

    await until(hold)


async def test_as_many_may_run_as_the_live_workers_have_room_for(
    bed: KeeperBed, keepers: LaneKeepers, change: Change
) -> None:
    change(models=(MODEL, {**MODEL, "alias": "other", "lane": "other"}))
    client = redis_client.get()
    await worker_slots.renew(client, "one", 2, 60_000)
    await worker_slots.renew(client, "two", 3, 60_000)
    await slots_become(keepers, 5)
    await client.delete(keys.worker_lease("two"))
    await slots_become(keepers, 2)
    other = await lanes.store("other").enqueue(await a_request_of_the_other_lane())
    assert len(other.drained.admitted) == 1
    await slots_become(keepers, 1)  # the other lane's answer takes the rest
    await client.delete(keys.worker_lease("one"))
    await slots_become(keepers, None)  # nobody is known, which says nothing


async def a_request_of_the_other_lane() -> Any:
    generation_id = await database.call(accept, "ann", lane="other")
    entry = await database.call(lane_tickets.entry_of, generation_id)
    assert entry is not None
    return entry.request


async def slots_become(keepers: LaneKeepers, wanted: int | None) -> None:
    async def reached() -> bool:
        await lead(keepers)
        return await stands() and (await lanes.store(LANE).snapshot(1)).slots == wanted

    await until(reached)


async def test_lanes_of_models_that_are_gone_are_kept_until_their_last_answer(
    bed: KeeperBed, keepers: LaneKeepers, change: Change
) -> None:
    change(models=({**MODEL, "lane": "new"},))
    waiting = await database.call(accept, "ann", age_s=10)
    await lead(keepers)
    await until(lambda: waiting in bed.sent_ids())


async def test_whoever_does_not_lead_any_more_is_silent(bed: KeeperBed, keepers: LaneKeepers, change: Change) -> None:
    change(lane_limits={"concurrency": 1})
    await lead(keepers)
    await until(stands)
    for name in ("ann", "bob"):
        await bed.ask(name)
    await until(lambda: any(board.depth for board in bed.told))
    await keepers.rest()
    told = len(bed.told)
    followers = LaneKeepers()
    try:
        await lead(followers)
        await until(lambda: len(bed.told) > told)  # the next holder speaks at once
    finally:
        await followers.rest()
    told = len(bed.told)
    await bed.lose_memory()
    await asyncio.sleep(0.1)
    assert len(bed.told) == told
    assert not await stands()


async def test_a_lease_that_was_not_renewed_ends_by_itself(bed: KeeperBed, keepers: LaneKeepers) -> None:
    await keepers.lead(asyncio.get_running_loop().time() - 10, 5.0)
    await asyncio.sleep(0.1)
    assert not await stands()
    await lead(keepers)
    await until(stands)


# With the rest of the pacer


@pytest.fixture
async def paced(bed: KeeperBed, change: Change, direct: Redis) -> AsyncIterator[Pacer]:
    """A pacer that only does what it is told: somebody else leads."""
    await direct.set(keys.PACER_LEADER, "somebody else")
    quiet = Pacer("worker-1")
    yield quiet
    await quiet.aclose()


async def test_a_wake_up_does_not_pass_the_lane(bed: KeeperBed, paced: Pacer) -> None:
    await bed.keeper(concurrency=0)
    waiting = await bed.ask()
    await change_row(waiting, wake_at=(await row(waiting)).requested_at)
    await paced.pace()
    assert bed.sent == []
    assert await bed.order() == [waiting]


async def test_whoever_waited_too_long_leaves_the_lane(bed: KeeperBed, paced: Pacer) -> None:
    await bed.keeper(concurrency=1)
    running, late, waiting = await bed.ask("ann"), await bed.ask("bob"), await bed.ask("cid")
    ticket = await bed.begin(running)
    await change_row(late, deadline_at=(await row(late)).requested_at)
    await paced.pace()
    assert (await row(late)).status == Status.EXPIRED
    assert await bed.order() == [waiting]
    await bed.end(ticket)
    assert bed.sent_ids() == [running, waiting]


async def test_the_holder_of_the_lease_keeps_the_lanes_and_another_one_follows(
    bed: KeeperBed, change: Change, direct: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.pacer.LEASE_MS", 500)
    monkeypatch.setattr(lane_keeper, "PERIOD_S", 0.02)
    change(pacer_period_s=0.02, lane_limits={"concurrency": 1})
    pacers = {name: Pacer(name) for name in ("one", "two")}
    try:
        await until(stands)
        ids = [await bed.ask(f"user{n}") for n in range(3)]
        holder = await direct.get(keys.PACER_LEADER)
        assert holder is not None
        await pacers.pop(holder.decode()).aclose()
        await bed.client.delete(*keys.lane(LANE))

        async def old_places() -> bool:
            return await stands() and await bed.order() == ids[1:]

        await until(old_places)
    finally:
        for one in pacers.values():
            await one.aclose()
