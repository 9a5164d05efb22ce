"""Places: who is next, who may wait, and how a ticket leaves the line."""

from __future__ import annotations

import pytest

from streaming.lane_limits import LaneLimits
from streaming.lane_values import Penalty, Used
from tests.integration.streaming.lane_bed import LaneBed, a_request


async def test_an_open_lane_lets_a_ticket_start_with_its_enqueue(lane: LaneBed) -> None:
    await lane.build()
    answer = await lane.enqueue("g1")
    assert (answer.status, [t.generation_id for t in answer.drained.admitted]) == ("OK", ["g1"])
    assert await lane.start("g1") == "OK"


async def test_enqueue_twice_gives_one_place(lane: LaneBed) -> None:
    await lane.build(concurrency=0)
    first = await lane.enqueue("g1")
    second = await lane.enqueue("g1")
    assert (second.status, second.place, second.ahead) == ("KNOWN", first.place, 0)
    assert (await lane.snapshot()).depth == 1


async def test_equal_strangers_are_served_in_order_of_arrival(lane: LaneBed) -> None:
    await lane.build(concurrency=0)
    arrived = ["zeta", "beta", "alpha", "gamma"]
    for n, name in enumerate(arrived):
        assert (await lane.enqueue(name, f"user{n}")).ahead == n
    answer = await lane.store.configure(LaneLimits(concurrency=10))
    assert [t.generation_id for t in answer.drained.admitted] == arrived


async def test_a_light_user_goes_before_the_rest_of_a_heavy_ones_line(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    for n in range(20):
        await lane.enqueue(f"h{n:02}", "heavy")
    assert (await lane.enqueue("light", "light")).ahead == 0
    assert await lane.run("h00") == ["light"]


async def test_a_weight_of_three_gets_three_times_the_service(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    for n in range(60):
        await lane.enqueue(f"a{n:02}", "staff", weight=3.0)
        await lane.enqueue(f"b{n:02}", "guest", weight=1.0)
    served = []
    for _ in range(40):
        running = lane.admitted[-1].generation_id
        served.append(running[0])
        await lane.run(running)
    assert abs(served.count("a") - 30) <= 1


async def test_backlogged_users_never_differ_by_more_than_one_largest_request(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    costs = {"u0": 100, "u1": 700, "u2": 350}
    for n in range(40):
        for user, cost in costs.items():
            await lane.enqueue(f"{user}-{n:02}", user, cost=cost)
    service = dict.fromkeys(costs, 0)
    while service["u0"] < 40 * costs["u0"]:
        running = lane.admitted[-1].generation_id
        service[running[:2]] += costs[running[:2]]
        await lane.run(running)
        assert max(service.values()) - min(service.values()) <= max(costs.values())


async def test_a_user_at_the_own_limit_blocks_nobody_and_comes_back_in_order(lane: LaneBed) -> None:
    await lane.build(concurrency=10, user_concurrency=1)
    for n in range(4):
        await lane.enqueue(f"p{n}", "busy")
    await lane.enqueue("q0", "other")
    assert [t.generation_id for t in lane.admitted] == ["p0", "q0"]
    assert {t.ticket for t in (await lane.snapshot()).parked} == {"p1", "p2", "p3"}
    assert await lane.run("p0") == ["p1"]
    assert await lane.run("p1") == ["p2"]


async def test_a_larger_own_limit_lets_parked_tickets_start_at_once(lane: LaneBed) -> None:
    await lane.build(user_concurrency=1)
    for n in range(4):
        await lane.enqueue(f"p{n}", "busy")
    answer = await lane.store.configure(LaneLimits(user_concurrency=3))
    assert [t.generation_id for t in answer.drained.admitted] == ["p1", "p2"]


async def test_a_full_lane_and_a_full_own_queue_refuse_unless_the_row_is_committed(lane: LaneBed) -> None:
    await lane.build(concurrency=0, user_queue=2, queue_max=3)
    for n in range(2):
        await lane.enqueue(f"a{n}", "ann")
    refused = await lane.store.enqueue(a_request("a2", "ann"), accepted=False)
    assert (refused.status, refused.place) == ("USER_FULL", None)
    await lane.enqueue("b0", "bob")
    assert (await lane.store.enqueue(a_request("c0", "cid"), accepted=False)).status == "LANE_FULL"
    assert (await lane.store.enqueue(a_request("c0", "cid"), accepted=True)).status == "OK"
    assert (await lane.store.preview("ann")).own_waiting == 2


async def test_preview_tells_what_a_new_ticket_would_get(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("g1")
    before = await lane.store.preview("ann")
    assert (before.own_running, before.own_waiting, before.waiting) == (1, 0, 0)
    answer = await lane.enqueue("g2")
    assert answer.place is not None
    assert answer.place.tag == before.tag
    assert (await lane.store.preview("bob")).tag < before.tag


async def test_cancel_gives_place_and_fair_share_back(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("running", "zoe")
    fresh = await lane.store.preview("ann")
    await lane.enqueue("g1", "ann")
    await lane.enqueue("g2", "bob")
    assert (await lane.store.cancel("g1")).status == "CANCELLED"
    assert (await lane.store.cancel("g1")).status == "GONE"
    standing, gone = await lane.store.standings(["g2", "g1"])
    assert gone is None
    assert standing is not None
    assert standing.ahead == 0
    assert (await lane.store.preview("ann")).tag == fresh.tag


async def test_cancelling_one_in_the_order_brings_back_a_parked_one(lane: LaneBed) -> None:
    await lane.build(user_concurrency=2)
    for n in range(4):
        await lane.enqueue(f"g{n}")
    for name in ("g0", "g1"):
        await lane.start(name)
    await lane.store.punish(Penalty("limit", wait_s=5.0))
    await lane.settle("g0")
    assert [item.ticket for item in (await lane.snapshot()).waiting] == ["g2"]
    await lane.store.cancel("g2")
    await lane.pass_s(5)
    assert await lane.drain() == ["g3"]


async def test_a_cancelled_hand_over_never_starts_and_frees_its_slot(lane: LaneBed) -> None:
    await lane.build(concurrency=1, requests_per_minute=60)
    await lane.enqueue("g1")
    await lane.enqueue("g2", "bob")
    full = await lane.level("r")
    assert (await lane.store.cancel("g1")).status == "FLAGGED"
    assert await lane.start("g1") == "CANCELLED"
    assert lane.admitted[-1].generation_id == "g2"
    assert await lane.level("r") == pytest.approx(full)
    assert await lane.start("g1") == "FENCED"


async def test_a_cancelled_hand_over_that_nobody_fetched_is_dropped_by_its_lease(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("g1")
    await lane.store.cancel("g1")
    await lane.pass_s(6)
    assert await lane.drain() == []
    assert await lane.store.standings(["g1"]) == [None]


async def test_cancel_says_that_a_ticket_runs(lane: LaneBed) -> None:
    await lane.build()
    await lane.enqueue("g1")
    await lane.start("g1")
    assert (await lane.store.cancel("g1")).status == "RUNNING"


@pytest.mark.parametrize("state", ["waiting", "handed over", "running", "lost"])
async def test_remove_frees_what_a_dead_row_holds(lane: LaneBed, state: str) -> None:
    await lane.build(concurrency=0 if state == "waiting" else 1)
    await lane.enqueue("g1")
    if state in ("running", "lost"):
        await lane.start("g1")
    if state == "lost":
        await lane.pass_s(31)
        await lane.drain()
    assert (await lane.store.remove("g1")).status == "OK"
    assert (await lane.store.remove("g1")).status == "GONE"
    seen = await lane.snapshot()
    assert (seen.depth, seen.running) == (0, [])
    assert await lane.keys() <= {"state", "history", "finish"}


async def test_an_idle_lane_forgets_who_was_heavy(lane: LaneBed) -> None:
    await lane.build()
    await lane.enqueue("g1", "heavy", cost=1_000_000)
    await lane.run("g1", Used(cost=1_000_000))
    assert (await lane.store.preview("heavy")).tag == (await lane.store.preview("light")).tag
    assert "finish" not in await lane.keys()


async def test_tags_of_users_whom_the_lane_has_passed_are_pruned(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    for n in range(30):
        await lane.enqueue(f"g{n:02}", f"user{n}")
    for n in range(10):
        await lane.enqueue(f"h{n:02}", "last")
    for _ in range(35):
        await lane.run(lane.admitted[-1].generation_id)
    assert await lane.client.zcard("lane:{test}:finish") == 1


async def test_every_key_has_a_time_to_live_and_leaves_nothing_behind(lane: LaneBed) -> None:
    await lane.build(concurrency=1, user_concurrency=1, requests_per_minute=600)
    for n in range(4):
        await lane.enqueue(f"g{n}", f"user{n % 2}")
    for part in await lane.keys():
        assert await lane.client.pttl(f"lane:{{test}}:{part}") > 6 * 24 * 3600 * 1000
    for n in (0, 1, 2, 3):
        await lane.run(f"g{n}")
    assert await lane.keys() == {"state", "history"}
