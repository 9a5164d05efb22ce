from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming import eta
from streaming.eta_run import INFINITE, Lane, Ticket
from streaming.lane_snapshot import Bucket, Place
from tests.unit.streaming.eta_lanes import a_lane, a_line


def starts_of(lane: Lane, seed: int = 1) -> list[list[float]]:
    return eta.simulate(lane, random.Random(seed).random)


def medians(lane: Lane) -> list[float]:
    return [eta.quantile(samples, 0.5) for samples in starts_of(lane)]


class TestBuckets:
    def test_a_bucket_lets_its_level_go_and_then_one_per_refill(self) -> None:
        lane = a_lane(waiting=a_line(4), buckets=[Bucket(2, 10, 0.5)])
        assert starts_of(lane) == [[0], [0], [2], [4]]

    def test_a_debt_is_paid_first(self) -> None:
        assert starts_of(a_lane(waiting=a_line(1), buckets=[Bucket(-4, 10, 0.5)])) == [[10]]

    def test_the_slowest_of_three_buckets_rules_each_ticket(self) -> None:
        line = [Ticket(Place(0, 0), "a", (1, 100, 0)), Ticket(Place(0, 1), "b", (1, 0, 500))]
        buckets = [Bucket(0, 10, 1), Bucket(0, 1000, 10), Bucket(0, 1000, 25)]
        assert starts_of(a_lane(waiting=line, buckets=buckets)) == [[10], [20]]

    def test_a_request_larger_than_its_bucket_starts_from_a_full_one(self) -> None:
        line = [Ticket(Place(0, 0), "a", (150.0,)), Ticket(Place(0, 1), "b", (10.0,))]
        assert starts_of(a_lane(waiting=line, buckets=[Bucket(0, 100, 10)])) == [[10], [16]]

    def test_a_closed_lane_refills_meanwhile(self) -> None:
        lane = a_lane(waiting=a_line(3), buckets=[Bucket(0, 2, 1)], closed_s=20.0)
        assert starts_of(lane) == [[20], [20], [21]]

    def test_real_answers_drain_more_or_less_than_was_estimated(self) -> None:
        line = a_line(21, needs=(100.0,))
        lane = a_lane(waiting=line, buckets=[Bucket(100, 100, 10)], output=0, output_ratios=[0.5], typical=(100.0,))
        assert medians(lane)[20] == pytest.approx(20 * 5, abs=6)

    @given(
        level=st.floats(-20, 20),
        rate=st.floats(0.1, 5),
        needs=st.lists(st.floats(0.1, 8), min_size=1, max_size=20),
        closed_s=st.floats(0, 30),
    )
    def test_nobody_starts_before_the_bucket_could_have_paid_for_all_before(
        self, level: float, rate: float, needs: list[float], closed_s: float
    ) -> None:
        line = [Ticket(Place(0, n), str(n), (need,)) for n, need in enumerate(needs)]
        starts = [
            samples[0]
            for samples in starts_of(a_lane(waiting=line, buckets=[Bucket(level, 10, rate)], closed_s=closed_s))
        ]
        assert starts == sorted(starts)
        for n, start in enumerate(starts):
            assert start >= closed_s
            assert start >= (sum(needs[: n + 1]) - 20) / rate - 1e-6


class TestSlots:
    def test_the_next_starts_when_the_oldest_ends(self) -> None:
        lane = a_lane(waiting=a_line(2), slots=1, running=[(4.0, "x")], services_s=[10.0])
        assert medians(lane) == [6, 16]

    def test_an_answer_older_than_any_seen_ends_soon(self) -> None:
        lane = a_lane(waiting=a_line(1), slots=1, running=[(40.0, "x")], services_s=[10.0])
        assert 0 < medians(lane)[0] <= 8.1

    def test_residual_service_is_that_of_answers_that_lasted_as_long(self) -> None:
        services = sorted([1.0] * 90 + [100.0] * 10)
        lane = a_lane(waiting=a_line(1), slots=1, running=[(50.0, "x")], services_s=services)
        assert medians(lane) == [50]

    def test_without_slots_nothing_is_foretold(self) -> None:
        assert medians(a_lane(waiting=a_line(2), slots=0)) == [INFINITE, INFINITE]

    def test_in_a_blocked_lane_nothing_is_foretold(self) -> None:
        assert medians(a_lane(waiting=a_line(1), closed_s=INFINITE)) == [INFINITE]

    def test_fewer_slots_than_are_running_wait_for_the_surplus_to_end(self) -> None:
        lane = a_lane(waiting=a_line(1), slots=1, running=[(1.0, "x"), (5.0, "y")], services_s=[10.0])
        assert medians(lane) == [9]

    @settings(max_examples=30)
    @given(st.integers(1, 6), st.integers(1, 30), st.integers(0, 5))
    def test_the_middle_of_a_long_line_moves_with_the_mean_service(self, slots: int, count: int, seed: int) -> None:
        lane = a_lane(waiting=a_line(count), slots=slots, running=[(0.0, "x")] * slots, services_s=[8.0, 12.0])
        last = eta.quantile(starts_of(lane, seed)[-1], 0.5)
        assert last == pytest.approx(10 * math.ceil(count / slots), rel=0.35)


class TestPeople:
    def test_those_who_give_up_make_room(self) -> None:
        patient = a_lane(waiting=a_line(40), buckets=[Bucket(0, 1, 1)])
        leaving = a_lane(waiting=a_line(40), buckets=[Bucket(0, 1, 1)], hazard=0.02)
        assert medians(leaving)[-1] < 0.8 * medians(patient)[-1]

    def test_newcomers_pass_a_heavy_user_but_not_those_who_stand_at_their_own_tag(self) -> None:
        line = [*a_line(3), Ticket(Place(5000, 9), "heavy", (1.0,))]
        newcomers = [(f"new{n}", 1000) for n in range(50)]
        quiet = a_lane(waiting=line, buckets=[Bucket(0, 1, 1)])
        busy = a_lane(waiting=line, buckets=[Bucket(0, 1, 1)], arrivals_per_s=0.5, newcomers=newcomers)
        assert medians(busy)[:3] == medians(quiet)[:3]
        assert medians(busy)[3] >= medians(quiet)[3] + 2

    def test_a_newcomer_who_used_his_share_does_not_pass(self) -> None:
        line = [Ticket(Place(5000, n), "ann", (1.0,)) for n in range(3)]
        more: dict[str, Any] = {"buckets": [Bucket(0, 1, 1)], "arrivals_per_s": 2.0, "newcomers": [("bob", 1000)]}
        assert medians(a_lane(waiting=line, **more, finish={"bob": 9000})) == [1, 2, 3]
        assert medians(a_lane(waiting=line, **more, finish={"bob": 0}))[2] > 3

    def test_a_user_at_the_own_limit_is_passed_and_goes_on_with_the_own_end(self) -> None:
        line = [*a_line(2, user="ann"), Ticket(Place(0, 5), "bob", (1.0,))]
        lane = a_lane(waiting=line, user_slots=1, services_s=[10.0])
        assert medians(lane) == [0, 10, 0]

    def test_parked_tickets_wait_for_an_end_of_their_own_users(self) -> None:
        parked = a_line(2, user="ann")
        lane = a_lane(
            waiting=a_line(1, user="bob"), parked=parked, user_slots=1, running=[(4.0, "ann")], services_s=[10.0]
        )
        assert medians(lane) == [0, 6, 16]

    def test_a_ghost_is_told_its_start_and_takes_nothing(self) -> None:
        ghost = Ticket(Place(0, 0), "", (1.0,), ghost=True)
        line = [ghost, *(ticket._replace(place=Place(0, 1 + n)) for n, ticket in enumerate(a_line(2)))]
        assert starts_of(a_lane(waiting=line, buckets=[Bucket(0, 1, 1)])) == [[1], [1], [2]]


def test_what_is_certain_is_simulated_once_and_the_rest_many_times() -> None:
    assert len(starts_of(a_lane(waiting=a_line(5), buckets=[Bucket(0, 1, 1)]))[0]) == 1
    assert len(starts_of(a_lane(waiting=a_line(5), slots=1, running=[(0.0, "x")]))[0]) == eta.RUNS_MAX
    long = a_lane(waiting=a_line(500), slots=1, running=[(0.0, "x")], services_s=[0.1, 0.2])
    assert len(starts_of(long)[0]) == eta.RUNS_MIN


def test_the_same_dice_give_the_same_estimate() -> None:
    lane = a_lane(waiting=a_line(9), slots=2, running=[(0.0, "x")] * 2, services_s=[3.0, 9.0, 27.0])
    assert starts_of(lane, 3) == starts_of(lane, 3)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_lies_between_its_samples(samples: list[float], share: float) -> None:
    samples.sort()
    assert samples[0] <= eta.quantile(samples, share) <= samples[-1]


def test_a_long_line_moves_as_fast_as_its_slowest_limit() -> None:
    lane = a_lane(buckets=[Bucket(0, 1, 2.0), Bucket(0, 1, 50.0)], typical=(1.0, 100.0), slots=4, services_s=[6.0])
    assert eta.seconds_per_ticket(lane) == 2.0
    assert eta.seconds_per_ticket(a_lane(slots=0)) == INFINITE
    assert eta.seconds_per_ticket(a_lane(buckets=[Bucket(0, 1, 0.0)])) == INFINITE
    assert eta.seconds_per_ticket(a_lane()) == 0.0


def test_beyond_the_simulation_the_line_goes_on_at_its_pace_and_the_spread_grows() -> None:
    assert eta.beyond((100.0, 120.0), 0, 2.0, 0.0) == (100, 120)
    p50, p90 = eta.beyond((100.0, 120.0), 400, 2.0, 0.0)
    assert p50 == 900
    assert p90 > 1000
    assert eta.beyond((100.0, 120.0), 400, 2.0, 0.01)[0] < 400
