"""An administrator's orders to a lane: pause and drain."""

from __future__ import annotations

import pytest

from streaming.lane_limits import Hold
from streaming.wait_board import draw_board
from streaming.wait_estimator import WaitEstimator
from tests.integration.streaming.keeper_bed import KeeperBed, orders_of
from tests.integration.streaming.lane_bed import LaneBed

ORDERS = (Hold("pause"), Hold("drain"))


@pytest.mark.parametrize("order", ORDERS, ids=str)
async def test_nobody_starts_and_what_runs_goes_on(lane: LaneBed, order: Hold) -> None:
    await lane.build()
    await lane.enqueue("runs")
    assert await lane.start("runs") == "OK"
    await lane.enqueue("handed over", "bob")
    await lane.store.hold(order)
    await lane.enqueue("waits", "cleo")
    assert await lane.drain() == []
    assert await lane.start("handed over") == "FENCED" or (await lane.snapshot()).depth == 2
    assert await lane.settle("runs") == []
    assert [ticket.generation_id for ticket in (await lane.store.release()).admitted] == ["handed over", "waits"]


async def test_who_was_handed_over_waits_again_in_the_old_place(lane: LaneBed) -> None:
    await lane.build()
    await lane.enqueue("first")
    await lane.store.hold(Hold("pause"))
    await lane.enqueue("second", "bob")
    assert await lane.start("first") == "LATER"
    assert [waiting.ticket for waiting in (await lane.snapshot()).waiting] == ["first", "second"]


async def test_a_pause_ends_by_itself_when_its_time_has_come(lane: LaneBed) -> None:
    await lane.build()
    await lane.store.hold(Hold("pause", lane.now_ms + 60_000))
    await lane.enqueue("waits")
    drained = await lane.store.drain()
    assert (drained.why, drained.again_s) == ("held", 60.0)
    assert (await lane.snapshot()).closed_s == 60.0
    await lane.pass_s(60)
    assert await lane.drain() == ["waits"]
    assert (await lane.snapshot()).held == ""


async def board(lane: LaneBed) -> tuple[str, str, float | None]:
    wait = draw_board("test", WaitEstimator().estimate(await lane.snapshot(), lambda: 0.5)).present()
    return wait.why, wait.message, wait.p50_s


async def test_people_are_told_and_a_pause_without_an_end_foretells_nothing(lane: LaneBed) -> None:
    await lane.build()
    for order, why in ((Hold("pause"), "held"), (Hold("drain"), "blocked")):
        await lane.store.hold(order)
        assert await board(lane) == (why, order.sentence, None)
    await lane.store.hold(Hold("pause", lane.now_ms + 60_000))
    why, _, p50_s = await board(lane)
    assert why == "held"
    assert p50_s is not None
    assert 60 <= p50_s < 70


async def test_a_refusal_for_money_is_not_ended_by_the_end_of_a_pause(lane: LaneBed) -> None:
    await lane.build()
    await lane.store.block("The account is empty.")
    await lane.store.hold(Hold("pause"))
    await lane.store.release()
    await lane.enqueue("waits")
    assert await lane.drain() == []


async def test_it_survives_the_loss_of_redis_and_a_new_keeper(bed: KeeperBed) -> None:
    keeper = await bed.keeper()
    held = orders_of()
    held = type(held)(held.limits, hold=Hold("pause"))
    keeper.orders = held
    await bed.drain(keeper)
    waiting = await bed.ask()
    await bed.lose_memory()
    await bed.drain(keeper)
    assert (await bed.store.snapshot(1)).held == "pause"
    assert bed.sent == []
    keeper.orders = orders_of()
    await bed.drain(keeper)
    assert bed.sent_ids() == [waiting]


async def test_an_order_that_was_withdrawn_while_nobody_kept_the_lane_ends_with_the_next_keeper(bed: KeeperBed) -> None:
    keeper = await bed.keeper()
    await bed.store.hold(Hold("drain"))
    waiting = await bed.ask()
    keeper.rest()
    await bed.drain(keeper)
    assert bed.sent_ids() == [waiting]
