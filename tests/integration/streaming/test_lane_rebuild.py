"""A lane that lost its memory does nothing until it is built again from rows, with everybody in the old place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from streaming.lane_snapshot import Place
from streaming.lane_store import LaneStore
from streaming.lane_values import LaneLost, Penalty, Restored, Ticket, Used
from tests.integration.streaming.lane_bed import START_MS, LaneBed, a_request, a_restored, limits_of

TICKET = Ticket("g1", 7)
OPERATIONS: dict[str, Callable[[LaneStore], Awaitable[object]]] = {
    "enqueue": lambda store: store.enqueue(a_request("g1")),
    "cancel": lambda store: store.cancel("g1"),
    "remove": lambda store: store.remove("g1"),
    "drain": lambda store: store.drain(),
    "preview": lambda store: store.preview("ann"),
    "standings": lambda store: store.standings(["g1"]),
    "start": lambda store: store.start(TICKET, "worker"),
    "beat": lambda store: store.beat([(TICKET, 5)]),
    "settle": lambda store: store.settle(TICKET, Used(), good=True),
    "requeue": lambda store: store.requeue(TICKET, Penalty("limit", wait_s=9.0)),
    "configure": lambda store: store.configure(limits_of(concurrency=3)),
    "set_capacity": lambda store: store.set_capacity(3),
    "observe": lambda store: store.observe([]),
    "punish": lambda store: store.punish(Penalty("overload")),
    "block": lambda store: store.block("No."),
    "unblock": lambda store: store.unblock(),
    "restore": lambda store: store.restore("", [a_restored(a_request("g1"), 0)]),
    "page": lambda store: store.page(0),
    "snapshot": lambda store: store.snapshot(10),
}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_without_an_epoch_every_operation_answers_lost_and_changes_nothing(lane: LaneBed, name: str) -> None:
    with pytest.raises(LaneLost):
        await OPERATIONS[name](lane.store)
    assert await lane.keys() == set()


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_half_built_lane_answers_lost_as_well(lane: LaneBed, name: str) -> None:
    await lane.store.set_clock(lane.now_ms)
    await lane.store.open("epoch", limits_of(concurrency=1), 0)
    await lane.store.restore("epoch", [a_restored(a_request("g2"), 5)])
    before = await lane.client.hgetall("lane:{test}:state")
    with pytest.raises(LaneLost):
        await OPERATIONS[name](lane.store)
    assert await lane.client.hgetall("lane:{test}:state") == before


async def rows_of(lane: LaneBed) -> list[Restored]:
    """What the database would know of the waiting: what enqueue answered."""
    seen = await lane.snapshot()
    return [
        a_restored(a_request(item.ticket, item.user), item.place.tag, item.place.seq)
        for item in reversed([*seen.waiting, *seen.parked])
    ]


async def test_after_a_loss_of_memory_everybody_has_the_old_place(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    for n in range(12):
        await lane.enqueue(f"g{n:02}", f"user{n % 5}", weight=1.0)
    await lane.start("g00")
    order = [item.ticket for item in (await lane.snapshot()).waiting]
    rows = await rows_of(lane)
    rows.append(
        a_restored(
            a_request("g00", "user0"), 0, running=True, admission=lane.ticket("g00").admission, admitted_ms=START_MS
        )
    )
    await lane.client.flushall()
    await rebuild(lane, rows, concurrency=1)
    seen = await lane.snapshot()
    assert [item.ticket for item in seen.waiting] == order
    assert [item.user for item in seen.running] == ["user0"]
    newcomer = await lane.enqueue("new", "stranger")
    behind = await lane.enqueue("g12", "user0")
    assert newcomer.place is not None
    assert newcomer.place.tag == seen.waiting[0].place.tag
    assert behind.ahead == 12


async def rebuild(lane: LaneBed, rows: list[Restored], idle_s: float = 0.0, **limits: object) -> list[str]:
    await lane.store.set_clock(lane.now_ms)
    assert await lane.store.open("second", limits_of(**limits), idle_s) == "OK"
    assert await lane.store.restore("second", rows) == "OK"
    answer = await lane.store.close("second")
    lane.admitted += answer.drained.admitted
    return [ticket.generation_id for ticket in answer.drained.admitted]


async def test_a_running_worker_goes_on_with_its_old_admission(lane: LaneBed) -> None:
    row = a_restored(a_request("g1", output_tokens=100), 0, running=True, admission=41, admitted_ms=START_MS)
    await rebuild(lane, [row], concurrency=1, output_tokens_per_minute=6000.0)
    assert await lane.store.beat([(Ticket("g1", 41), 50)]) == [True]
    assert await lane.store.beat([(Ticket("g1", 40), 50)]) == [False]
    assert (await lane.store.settle(Ticket("g1", 41), Used(10, 60, 10), good=True)).status == "OK"


async def test_a_running_ticket_that_waits_again_after_a_loss_has_its_old_place(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    for n in range(3):
        await lane.enqueue(f"g{n}", f"user{n}")
    running, *waiting = [a_restored(a_request(f"g{n}", f"user{n}"), 0, n + 1) for n in range(3)]
    await lane.client.flushall()
    await rebuild(lane, [*waiting, replace(running, running=True, admission=5)], concurrency=1)
    await lane.enqueue("new", "stranger")
    await lane.store.configure(limits_of(concurrency=0))
    await lane.requeue_by_row("g0")
    assert [(item.ticket, item.place.seq) for item in (await lane.snapshot()).waiting] == [
        ("g0", 1),
        ("g1", 2),
        ("g2", 3),
        ("new", 4),
    ]


async def test_no_admission_number_is_given_twice(lane: LaneBed) -> None:
    await lane.build()
    await lane.enqueue("g1")
    first = lane.ticket("g1")
    await lane.client.flushall()
    await lane.pass_s(1)
    assert await rebuild(lane, [a_restored(a_request("g1"), 0)]) == ["g1"]
    assert lane.ticket("g1").admission > first.admission
    assert (await lane.store.start(first, "worker")).status == "FENCED"


async def test_buckets_start_as_full_as_the_rest_has_made_empty_ones(lane: LaneBed) -> None:
    await rebuild(lane, [], idle_s=4.0, requests_per_minute=60.0, burst_s=10.0)
    assert await lane.level("r") == 4
    await lane.client.flushall()
    await rebuild(lane, [], idle_s=4000.0, requests_per_minute=60.0, burst_s=10.0)
    assert await lane.level("r") == 10


async def test_a_row_that_never_got_its_place_stands_behind_those_who_have_one(lane: LaneBed) -> None:
    rows = [a_restored(a_request("new", "bob"), None), a_restored(a_request("old", "ann"), 0, 1)]
    await rebuild(lane, [rows[1], rows[0]], concurrency=0)
    assert [item.ticket for item in (await lane.snapshot()).waiting] == ["old", "new"]


async def test_a_standing_lane_is_not_built_again(lane: LaneBed) -> None:
    await lane.build()
    assert await lane.store.open("other", limits_of(), 0) == "EXISTS"


async def test_two_builders_do_not_mix_and_a_dead_one_is_replaced(lane: LaneBed) -> None:
    await lane.store.set_clock(lane.now_ms)
    assert await lane.store.open("one", limits_of(), 0) == "OK"
    assert await lane.store.open("two", limits_of(), 0) == "BUSY"
    await lane.pass_s(11)
    assert await lane.store.open("two", limits_of(), 0) == "OK"
    assert await lane.store.restore("one", [a_restored(a_request("g1"), 0)]) == "FENCED"
    assert (await lane.store.close("one")).status == "FENCED"
    assert (await lane.store.close("two")).status == "OK"


async def test_reconciling_adds_only_what_is_missing(lane: LaneBed) -> None:
    await lane.build(concurrency=0)
    await lane.enqueue("g1", "ann")
    await lane.enqueue("g2", "bob")
    rows = await rows_of(lane)
    await lane.store.remove("g1")
    await lane.store.restore("", rows)
    assert [item.ticket for item in (await lane.snapshot()).waiting] == ["g1", "g2"]


async def test_pages_show_every_ticket_with_its_state_and_age(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    for n in range(300):
        await lane.enqueue(f"g{n}", f"user{n}")
    await lane.start("g0")
    await lane.pass_s(5)
    cursor, found = await lane.store.page(0)
    while cursor:
        cursor, more = await lane.store.page(cursor)
        found += more
    assert {ticket for ticket, _, _ in found} == {f"g{n}" for n in range(300)}
    assert {state for _, state, _ in found} == {"q", "r"}
    assert {age for _, _, age in found} == {5.0}


async def test_thousands_are_restored_in_batches(lane: LaneBed) -> None:
    rows = [a_restored(a_request(f"g{n}", f"user{n % 50}"), n // 50, n) for n in range(2000)]
    await rebuild(lane, rows, concurrency=0)
    seen = await lane.snapshot()
    assert seen.depth == 2000
    assert seen.waiting[0].place == Place(0, 0)
