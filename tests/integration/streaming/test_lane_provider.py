"""What a lane does with limits, refusals, overload and the headers of a provider."""

from __future__ import annotations

import pytest

from streaming.lane_limits import Budget, Observation
from streaming.lane_values import Penalty, Used
from tests.integration.streaming.lane_bed import LaneBed, limits_of

SLOW_DOWN = Penalty("limit", wait_s=20.0)
OVERLOADED = Penalty("overload")


def requests(remaining: float, limit: float = 60, window_s: float = 60) -> list[Observation]:
    return [Observation(Budget.REQUESTS, limit, remaining, window_s)]


async def running(lane: LaneBed, name: str, user: str = "ann") -> None:
    await lane.enqueue(name, user)
    assert await lane.start(name) == "OK"


class TestPause:
    async def test_a_429_puts_the_ticket_back_in_its_place_and_pauses_everybody(self, lane: LaneBed) -> None:
        await lane.build()
        await running(lane, "g1")
        assert await lane.requeue("g1", SLOW_DOWN) == []
        answer = await lane.enqueue("g2", "bob")
        assert (answer.ahead, answer.drained.why, answer.drained.again_s) == (1, "paused", 20.0)
        await lane.pass_s(20)
        assert await lane.drain() == ["g1", "g2"]

    async def test_a_ticket_handed_over_before_the_pause_does_not_run_into_it(self, lane: LaneBed) -> None:
        await lane.build()
        await running(lane, "g1")
        await lane.enqueue("g2", "bob")
        await lane.requeue("g1", SLOW_DOWN)
        assert await lane.start("g2") == "LATER"
        await lane.pass_s(20)
        assert await lane.drain() == ["g1", "g2"]

    async def test_without_a_retry_after_it_waits_5_s_then_twice_that_up_to_60(self, lane: LaneBed) -> None:
        await lane.build()
        waits = []
        await running(lane, "g1")
        for _ in range(5):
            await lane.requeue("g1", Penalty("limit"))
            again_s = (await lane.store.drain()).again_s
            assert again_s is not None
            waits.append(again_s)
            await lane.pass_s(again_s)
            await lane.drain()
            await lane.start("g1")
        assert waits == [5, 10, 20, 40, 60]
        await lane.settle("g1")
        await running(lane, "g2")
        await lane.requeue("g2", Penalty("limit"))
        assert (await lane.store.drain()).again_s == 5

    async def test_an_unexplained_429_slows_the_lane_once_per_pause_and_it_recovers(self, lane: LaneBed) -> None:
        await lane.build(requests_per_minute=60)
        for name in ("g1", "g2", "g3"):
            await running(lane, name)
        for name in ("g1", "g2", "g3"):
            await lane.requeue(name, Penalty("limit", wait_s=1.0, factor=0.8))
        assert (await lane.snapshot()).buckets["r"].rate == pytest.approx(0.8)
        await lane.pass_s(60)
        assert (await lane.snapshot()).buckets["r"].rate == pytest.approx(0.85)
        await lane.pass_s(240)
        assert (await lane.snapshot()).buckets["r"].rate == 1.0

    async def test_it_never_slows_down_below_a_quarter(self, lane: LaneBed) -> None:
        await lane.build(requests_per_minute=60)
        for _ in range(12):
            await lane.store.punish(Penalty("limit", wait_s=1.0, factor=0.8))
            await lane.pass_s(16)
        assert (await lane.snapshot()).buckets["r"].rate == 0.25

    async def test_a_budget_known_to_be_empty_is_emptied(self, lane: LaneBed) -> None:
        await lane.build(requests_per_minute=60)
        await lane.store.punish(Penalty("limit", wait_s=0.5, empty=Budget.REQUESTS))
        assert await lane.level("r") == 0

    async def test_who_names_a_short_time_for_ever_is_asked_less_and_less_often(self, lane: LaneBed) -> None:
        """Until it serves a request: then it is believed again."""
        await lane.build()
        await running(lane, "g1")
        pauses = []
        for _ in range(9):
            await lane.requeue("g1", Penalty("limit", wait_s=1.0))
            await lane.store.punish(Penalty("limit", wait_s=1.0))  # a second refusal of the same pause
            pauses.append((await lane.snapshot()).closed_s)
            await lane.pass_s(pauses[-1] or 0)
            assert await lane.drain() == ["g1"]
            assert await lane.start("g1") == "OK"
        assert pauses == [1, 1, 1, 1, 2, 4, 8, 15, 15]
        await lane.settle("g1")
        await lane.store.punish(Penalty("limit", wait_s=1.0))
        assert (await lane.snapshot()).closed_s == 1

    async def test_jitter_is_added_to_the_pause(self, lane: LaneBed) -> None:
        await lane.build()
        await lane.store.punish(Penalty("limit", wait_s=2.0, jitter_s=0.4))
        assert (await lane.snapshot()).closed_s == 2.4


class TestBreaker:
    async def test_an_overload_closes_the_lane_until_one_probe_came_through(self, lane: LaneBed) -> None:
        await lane.build(concurrency=10)
        for name in ("g1", "g2", "g3"):
            await running(lane, name)
        for name in ("g1", "g2", "g3"):
            assert await lane.requeue(name, OVERLOADED) == []
        drained = await lane.store.drain()
        assert (drained.why, drained.again_s) == ("overloaded", 2.0)
        await lane.pass_s(2)
        assert await lane.drain() == ["g1"]
        assert (await lane.store.drain()).why == "probing"
        assert await lane.run("g1") == ["g2", "g3"]

    async def test_a_failed_probe_doubles_the_wait_up_to_a_minute(self, lane: LaneBed) -> None:
        await lane.build()
        await running(lane, "g1")
        waits = []
        for _ in range(7):
            await lane.requeue("g1", OVERLOADED)
            again_s = (await lane.store.drain()).again_s
            assert again_s is not None
            waits.append(again_s)
            await lane.pass_s(again_s)
            assert await lane.drain() == ["g1"]
            await lane.start("g1")
        assert waits == [2, 4, 8, 16, 32, 60, 60]

    async def test_a_late_overload_of_an_older_request_does_not_open_it_again(self, lane: LaneBed) -> None:
        await lane.build()
        await running(lane, "old")
        await running(lane, "g1")
        await lane.requeue("g1", OVERLOADED)
        await lane.pass_s(2)
        await lane.drain()
        await lane.requeue("old", OVERLOADED)
        assert (await lane.store.drain()).why == "probing"

    async def test_a_probe_that_vanishes_makes_room_for_another(self, lane: LaneBed) -> None:
        await lane.build()
        await running(lane, "g1")
        await lane.enqueue("g2", "bob")
        await lane.requeue("g1", OVERLOADED)
        assert await lane.start("g2") == "LATER"
        await lane.pass_s(2)
        assert await lane.drain() == ["g1"]
        await lane.pass_s(5.1)
        assert await lane.drain() == ["g1"]

    async def test_fewer_run_after_an_overload_and_one_more_per_twenty_successes(self, lane: LaneBed) -> None:
        await lane.build(concurrency=10)
        await running(lane, "probe")
        await lane.requeue("probe", OVERLOADED)
        await lane.pass_s(2)
        await lane.drain()
        await lane.run("probe")
        assert (await lane.snapshot()).slots == 7
        for n in range(60):
            await running(lane, f"g{n}")
            await lane.settle(f"g{n}")
        assert (await lane.snapshot()).slots == 10


class TestBlock:
    async def test_a_blocked_lane_admits_nobody_and_says_why(self, lane: LaneBed) -> None:
        await lane.build()
        await lane.store.block("The account has reached its spending limit.")
        answer = await lane.enqueue("g1")
        assert (answer.drained.admitted, answer.drained.why, answer.drained.again_s) == ([], "blocked", None)
        assert (await lane.snapshot()).blocked == "The account has reached its spending limit."
        assert [t.generation_id for t in (await lane.store.unblock()).admitted] == ["g1"]

    async def test_a_pause_of_a_day_ends_when_an_administrator_says_so(self, lane: LaneBed) -> None:
        await lane.build()
        await lane.store.punish(Penalty("limit", wait_s=86_400.0))
        assert (await lane.enqueue("g1")).drained.why == "paused"
        assert (await lane.store.unblock()).admitted == []
        assert [t.generation_id for t in (await lane.store.unblock(reopen=True)).admitted] == ["g1"]

    async def test_after_an_overload_of_a_day_one_probe_is_tried(self, lane: LaneBed) -> None:
        await lane.build()
        await lane.store.punish(Penalty("overload", wait_s=86_400.0))
        for name in ("g1", "g2"):
            assert (await lane.enqueue(name)).drained.why == "overloaded"
        assert (await lane.store.unblock()).admitted == []
        assert [t.generation_id for t in (await lane.store.unblock(reopen=True)).admitted] == ["g1"]
        assert (await lane.store.drain()).why == "probing"


class TestConfiguration:
    async def test_it_is_applied_at_once(self, lane: LaneBed) -> None:
        await lane.build(concurrency=1)
        await lane.enqueue("g1")
        await lane.enqueue("g2", "bob")
        answer = await lane.store.configure(limits_of(concurrency=2))
        assert [t.generation_id for t in answer.drained.admitted] == ["g2"]
        assert (await lane.store.configure(limits_of(concurrency=2))).status == "SAME"

    async def test_a_smaller_limit_cuts_the_level_and_a_larger_one_fills_by_its_rate(self, lane: LaneBed) -> None:
        await lane.build(input_tokens_per_minute=60_000, burst_s=60)
        await lane.store.configure(limits_of(input_tokens_per_minute=6000, burst_s=60))
        assert await lane.level("i") == 6000
        await lane.store.configure(limits_of(input_tokens_per_minute=60_000, burst_s=60))
        assert await lane.level("i") == 6000
        await lane.pass_s(10)
        assert await lane.level("i") == 16_000

    async def test_a_limit_can_be_taken_away(self, lane: LaneBed) -> None:
        await lane.build(requests_per_minute=1)
        await lane.enqueue("g1")
        await lane.enqueue("g2", "bob")
        answer = await lane.store.configure(limits_of())
        assert [t.generation_id for t in answer.drained.admitted] == ["g2"]
        assert (await lane.snapshot()).buckets == {}

    async def test_a_new_limit_on_a_lane_in_use_starts_from_an_empty_bucket(self, lane: LaneBed) -> None:
        await lane.build()
        await running(lane, "g1")
        await lane.store.configure(limits_of(requests_per_minute=60))
        assert await lane.level("r") == 0

    async def test_what_headers_taught_stays_until_the_configuration_changes(self, lane: LaneBed) -> None:
        await lane.build(requests_per_minute=60)
        for _ in range(3):
            await lane.store.observe(requests(30, limit=30))
        await lane.store.configure(limits_of(requests_per_minute=60))
        assert (await lane.snapshot()).buckets["r"].rate == 0.5
        await lane.store.configure(limits_of(requests_per_minute=120))
        assert (await lane.snapshot()).buckets["r"].rate == 2.0


class TestHeaders:
    async def test_a_level_is_corrected_downwards_at_once(self, lane: LaneBed) -> None:
        await lane.build(requests_per_minute=60, burst_s=60)
        await lane.store.observe(requests(7))
        assert await lane.level("r") == 7

    async def test_requests_on_their_way_are_not_counted_twice(self, lane: LaneBed) -> None:
        await lane.build(requests_per_minute=60, burst_s=60)
        await running(lane, "g1")
        await running(lane, "g2")
        assert await lane.level("r") == 58
        await lane.store.observe(requests(59), lane.ticket("g1"))  # the provider has seen g1 only
        assert await lane.level("r") == 58
        await lane.store.observe(requests(58), lane.ticket("g2"))
        assert await lane.level("r") == 58

    async def test_a_request_that_went_back_is_not_waited_for_at_the_provider(self, lane: LaneBed) -> None:
        await lane.build(requests_per_minute=60, burst_s=60)
        await running(lane, "g1")
        await running(lane, "g2")
        await lane.requeue("g1", SLOW_DOWN)
        await lane.store.observe(requests(59))
        assert await lane.level("r") == 58  # only g2 is still on its way

    async def test_output_that_is_still_to_come_is_held_back_from_what_remains(self, lane: LaneBed) -> None:
        await lane.build(output_tokens_per_minute=6000, burst_s=60)
        await lane.enqueue("g1", output_tokens=1000)
        await lane.start("g1")
        await lane.store.beat([(lane.ticket("g1"), 300)])
        seen = Observation(Budget.OUTPUT, 6000, 5700)
        await lane.store.observe([seen], lane.ticket("g1"))
        assert await lane.level("o") == 5000
        await lane.settle("g1", Used(100, 300, 600))
        assert await lane.level("o") == 5700

    async def test_upwards_only_after_twenty_answers_and_by_half(self, lane: LaneBed) -> None:
        await lane.build(input_tokens_per_minute=60_000, burst_s=60)
        await lane.store.observe([Observation(Budget.INPUT, 60_000, 20_000)])
        more = [Observation(Budget.INPUT, 60_000, 40_000)]
        for _ in range(19):
            await lane.store.observe(more)
        assert await lane.level("i") == 20_000
        await lane.store.observe(more)
        assert await lane.level("i") == 30_000

    async def test_one_answer_in_between_begins_the_count_again(self, lane: LaneBed) -> None:
        await lane.build(input_tokens_per_minute=60_000, burst_s=60)
        await lane.store.observe([Observation(Budget.INPUT, 60_000, 20_000)])
        for n in range(38):
            left = 21_000 if n == 19 else 40_000
            await lane.store.observe([Observation(Budget.INPUT, 60_000, left)])
        assert await lane.level("i") == 20_000

    async def test_a_burst_the_provider_allows_widens_the_bucket(self, lane: LaneBed) -> None:
        await lane.build(requests_per_minute=60, burst_s=10)
        for _ in range(20):
            await lane.store.observe(requests(60))
        assert (await lane.snapshot()).buckets["r"].cap == 35

    async def test_a_limit_is_adopted_when_three_answers_running_say_so(self, lane: LaneBed) -> None:
        await lane.build(requests_per_minute=60)
        assert [(await lane.store.observe(requests(30, limit=40)))[0] for _ in range(2)] == [[], []]
        await lane.store.observe(requests(30, limit=60))
        for _ in range(2):
            await lane.store.observe(requests(30, limit=40))
        adopted, _ = await lane.store.observe(requests(30, limit=40))
        assert [(item.budget, item.before, item.after) for item in adopted] == [(Budget.REQUESTS, 60, 40)]
        assert (await lane.snapshot()).buckets["r"].rate == pytest.approx(40 / 60)

    async def test_a_limit_per_day_is_adopted_with_its_own_rate(self, lane: LaneBed) -> None:
        await lane.build()
        for _ in range(3):
            await lane.store.observe(requests(8640, limit=8640, window_s=86_400))
        assert (await lane.snapshot()).buckets["r"].rate == pytest.approx(0.1)

    async def test_a_higher_limit_is_not_adopted_where_others_share_the_key(self, lane: LaneBed) -> None:
        await lane.build(requests_per_minute=60, adopt_higher=False)
        for _ in range(5):
            await lane.store.observe(requests(100, limit=120))
        assert (await lane.snapshot()).buckets["r"].rate == 1.0
        for _ in range(3):
            await lane.store.observe(requests(10, limit=20))
        assert (await lane.snapshot()).buckets["r"].rate == pytest.approx(1 / 3)


class TestRamp:
    async def test_after_five_idle_minutes_the_speed_starts_low_and_doubles_each_minute(self, lane: LaneBed) -> None:
        await lane.build(requests_per_minute=60, burst_s=60, ramp_start=0.25)
        await lane.pass_s(301)
        for n in range(40):
            await lane.enqueue(f"g{n:02}", f"user{n}")
        assert len(lane.admitted) == 15
        assert (await lane.snapshot()).buckets["r"].rate == 0.25
        rates = []
        for _ in range(3):
            await lane.pass_s(60)
            rates.append((await lane.snapshot()).buckets["r"].rate)
        assert rates == [0.5, 1.0, 1.0]

    async def test_a_lane_in_use_does_not_ramp(self, lane: LaneBed) -> None:
        await lane.build(idle_s=0, requests_per_minute=60, burst_s=60, ramp_start=0.25)
        await lane.pass_s(200)
        await running(lane, "g1")
        await lane.settle("g1")
        await lane.pass_s(200)
        await running(lane, "g2")
        assert (await lane.snapshot()).buckets["r"].rate == 1.0
