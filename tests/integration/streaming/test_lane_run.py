"""A running ticket: the fence, its leases, and what it is charged."""

from __future__ import annotations

import pytest

from streaming.lane_limits import ChargeMode
from streaming.lane_values import Penalty, Ticket, Used
from tests.integration.streaming.lane_bed import LaneBed


async def test_an_admission_is_good_for_one_start(lane: LaneBed) -> None:
    await lane.build()
    await lane.enqueue("g1")
    assert (await lane.store.start(Ticket("g1", 1), "worker")).status == "FENCED"
    assert await lane.start("g1", "worker one") == "OK"
    assert await lane.start("g1", "worker two") == "FENCED"


async def test_the_same_holder_may_repeat_a_start_whose_reply_was_lost(lane: LaneBed) -> None:
    await lane.build()
    await lane.enqueue("g1")
    assert [await lane.start("g1"), await lane.start("g1")] == ["OK", "OK"]


async def test_settle_counts_once(lane: LaneBed) -> None:
    await lane.build(input_tokens_per_minute=60_000, burst_s=60)
    await lane.enqueue("g1", input_tokens=1000)
    await lane.start("g1")
    await lane.settle("g1", Used(400, 0, 400))
    assert await lane.level("i") == 59_600
    assert (await lane.store.settle(lane.ticket("g1"), Used(400, 0, 400), good=True)).status == "GONE"
    assert await lane.level("i") == 59_600


async def test_a_hand_over_that_nobody_fetched_keeps_its_place(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("g1")
    await lane.enqueue("g2", "bob")
    first = lane.ticket("g1")
    await lane.pass_s(4.9)
    assert await lane.drain() == []
    await lane.pass_s(0.2)
    assert await lane.drain() == ["g1"]
    assert (await lane.store.start(first, "late")).status == "FENCED"
    assert await lane.start("g1") == "OK"


async def test_a_hand_over_is_never_dropped_however_often_it_fails(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("g1")
    for _ in range(20):
        await lane.pass_s(5.1)
        assert await lane.drain() == ["g1"]


async def test_a_beat_renews_the_lease(lane: LaneBed) -> None:
    await lane.build()
    await lane.enqueue("g1")
    await lane.start("g1")
    for _ in range(4):
        await lane.pass_s(29)
        assert await lane.store.beat([(lane.ticket("g1"), 0)]) == [True]
    assert (await lane.store.drain()).lost == []


async def test_a_dead_lease_frees_the_slot_and_reports_the_ticket_once(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("g1")
    await lane.enqueue("g2", "bob")
    await lane.start("g1")
    await lane.pass_s(31)
    drained = await lane.store.drain()
    assert drained.lost == ["g1"]
    assert [t.generation_id for t in drained.admitted] == ["g2"]
    assert (await lane.store.drain()).lost == []


async def test_a_worker_whose_lease_ran_out_may_go_on(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("g1")
    await lane.start("g1")
    await lane.pass_s(31)
    await lane.drain()
    assert await lane.store.beat([(lane.ticket("g1"), 5)]) == [True]
    assert len((await lane.snapshot()).running) == 1
    assert (await lane.store.settle(lane.ticket("g1"), Used(100, 5, 600), good=True)).status == "OK"
    assert (await lane.snapshot()).running == []


async def test_a_lost_ticket_whose_row_waits_again_gets_its_old_place(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("g1")
    await lane.start("g1")
    await lane.enqueue("g2", "bob")
    await lane.enqueue("g3", "bob")
    old = lane.ticket("g1")
    await lane.requeue_by_row("g1")
    assert lane.admitted[-1].generation_id == "g1"
    assert await lane.store.beat([(old, 9)]) == [False]
    assert (await lane.store.settle(old, Used(), good=True)).status == "FENCED"


async def test_requeue_keeps_the_place_and_returns_the_reservation(lane: LaneBed) -> None:
    await lane.build(concurrency=1, requests_per_minute=60, output_tokens_per_minute=6000, burst_s=60)
    await lane.enqueue("g1")
    await lane.enqueue("g2", "bob")
    await lane.start("g1")
    assert await lane.requeue("g1") == ["g1"]
    await lane.start("g1")
    await lane.settle("g1", Used(100, 100, 600))
    assert await lane.level("r") == pytest.approx(58)
    assert await lane.level("o") == pytest.approx(5800)


async def test_a_stale_requeue_is_fenced(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("g1")
    old = lane.ticket("g1")
    await lane.requeue("g1")
    await lane.start("g1")
    assert (await lane.store.requeue(old, Penalty())).status == "FENCED"


async def test_an_overrun_is_charged_while_it_streams_and_the_rest_settled(lane: LaneBed) -> None:
    await lane.build(output_tokens_per_minute=60_000, burst_s=60)
    await lane.enqueue("g1", output_tokens=500)
    await lane.start("g1")
    assert await lane.level("o") == 59_500
    await lane.store.beat([(lane.ticket("g1"), 400)])
    assert await lane.level("o") == 59_500
    await lane.store.beat([(lane.ticket("g1"), 1500)])
    assert await lane.level("o") == 58_500
    await lane.settle("g1", Used(100, 1700, 600))
    assert await lane.level("o") == 58_300


async def test_a_refund_never_overfills_a_bucket(lane: LaneBed) -> None:
    await lane.build(output_tokens_per_minute=60_000, burst_s=60)
    await lane.enqueue("g1", output_tokens=5000)
    await lane.start("g1")
    await lane.pass_s(60)
    await lane.settle("g1", Used(100, 100, 600))
    assert await lane.level("o") == 60_000


async def test_reserve_max_keeps_the_whole_reservation(lane: LaneBed) -> None:
    await lane.build(input_tokens_per_minute=60_000, burst_s=60, charge=ChargeMode.RESERVE_MAX)
    await lane.enqueue("g1", input_tokens=4096)
    await lane.start("g1")
    await lane.settle("g1", Used(500, 80, 600))
    assert await lane.level("i") == 60_000 - 4096


async def test_reserve_max_charges_a_failed_request_in_full_but_not_one_that_never_started(lane: LaneBed) -> None:
    await lane.build(requests_per_minute=60, burst_s=60, charge=ChargeMode.RESERVE_MAX, concurrency=1)
    await lane.enqueue("g1")
    await lane.start("g1")
    await lane.requeue("g1")
    assert await lane.level("r") == 58
    await lane.store.cancel("g1")
    assert await lane.start("g1") == "CANCELLED"
    assert await lane.level("r") == 59


async def test_a_request_larger_than_its_bucket_runs_from_a_full_one_and_leaves_a_debt(lane: LaneBed) -> None:
    await lane.build(input_tokens_per_minute=60_000)
    answer = await lane.enqueue("big", input_tokens=90_000)
    assert [t.generation_id for t in answer.drained.admitted] == ["big"]
    assert await lane.level("i") == -80_000
    await lane.start("big")
    blocked = await lane.enqueue("small", "bob")
    assert (blocked.drained.why, blocked.drained.again_s) == ("i", pytest.approx(80.1))
    for _ in range(3):
        await lane.pass_s(26.7)
        await lane.store.beat([(lane.ticket("big"), 0)])
    assert await lane.drain() == ["small"]


@pytest.mark.parametrize(
    ("budget", "limits"), [("r", {"requests_per_minute": 60}), ("o", {"output_tokens_per_minute": 6000})]
)
async def test_an_empty_bucket_says_exactly_when_the_next_one_may_start(
    lane: LaneBed, budget: str, limits: dict[str, float]
) -> None:
    await lane.build(**limits, burst_s=1)
    await lane.enqueue("g1")
    answer = await lane.enqueue("g2", "bob")
    assert (answer.drained.why, answer.drained.again_s) == (budget, 1.0)
    await lane.pass_s(0.999)
    assert await lane.drain() == []
    await lane.pass_s(0.001)
    assert await lane.drain() == ["g2"]


async def test_the_real_cost_moves_the_users_next_place(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("a1", "ann", cost=100)
    await lane.enqueue("b1", "bob", cost=100)
    await lane.run("a1", Used(cost=900))
    await lane.enqueue("b2", "bob", cost=100)
    await lane.enqueue("a2", "ann", cost=100)
    assert [t.ticket for t in (await lane.snapshot()).waiting] == ["b2", "a2"]


async def test_a_drain_hands_out_no_more_than_asked_and_says_that_there_is_more(lane: LaneBed) -> None:
    await lane.build(concurrency=0)
    for n in range(5):
        await lane.enqueue(f"g{n}", f"user{n}")
    await lane.client.hdel("lane:{test}:state", "conc")
    drained = await lane.store.drain(2)
    assert (len(drained.admitted), drained.why, drained.again_s) == (2, "more", 0.0)
    assert len((await lane.store.drain(9)).admitted) == 3


async def test_no_more_run_than_the_workers_have_room_for(lane: LaneBed) -> None:
    await lane.build(concurrency=10)
    await lane.store.set_capacity(1)
    await lane.enqueue("g1")
    answer = await lane.enqueue("g2")
    assert (answer.drained.admitted, answer.drained.why) == ([], "slots")
    answer = await lane.store.set_capacity(None)
    assert [t.generation_id for t in answer.drained.admitted] == ["g2"]
