from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from streaming import wait_estimator
from streaming.lane_snapshot import Bucket, Deep, Event, Place, Running, Service, Snapshot, WaitEnded
from streaming.wait_estimator import Forecast, WaitEstimator
from tests.unit.streaming.wait_snapshots import a_snapshot, a_waiting

ONE_PER_S = {"r": Bucket(0, 10, 1.0)}
NOW = 1_000_000


def forecast(estimator: WaitEstimator, seen: Snapshot) -> Forecast:
    return estimator.estimate(seen, random.Random(1).random)


def test_everybody_is_told_how_many_are_ahead_and_how_long_it_takes() -> None:
    seen = a_snapshot(waiting=[a_waiting(n) for n in range(3)], buckets=ONE_PER_S)
    told = forecast(WaitEstimator(), seen)
    assert [(item.ticket, item.ahead, item.p50_s, item.p90_s) for item in told.line] == [
        ("g0", 0, 1, 1),
        ("g1", 1, 2, 2),
        ("g2", 2, 3, 3),
    ]


def test_a_newcomer_stands_behind_his_equals_and_before_those_who_used_more() -> None:
    waiting = [a_waiting(0), a_waiting(1), a_waiting(2, tag=500)]
    told = forecast(WaitEstimator(), a_snapshot(waiting=waiting, buckets=ONE_PER_S))
    assert (told.newcomer.ahead, told.newcomer.p50_s) == (2, 3)
    assert [item.ahead for item in told.line] == [0, 1, 2]
    assert told.line[2].p50_s == 3


def test_all_three_budgets_and_each_tickets_own_cost_count() -> None:
    big = a_waiting(0)._replace(output=900)
    seen = a_snapshot(
        waiting=[big, a_waiting(1)],
        buckets={"r": Bucket(5, 5, 1), "i": Bucket(50, 1000, 10), "o": Bucket(0, 1000, 100)},
    )
    told = forecast(WaitEstimator(), seen)
    assert [item.p50_s for item in told.line] == [9, 15]


def test_an_empty_lane_tells_a_newcomer_to_start() -> None:
    told = forecast(WaitEstimator(), a_snapshot(buckets={"r": Bucket(3, 10, 1)}))
    assert (told.line, told.newcomer.p50_s) == ([], 0)


def test_parked_tickets_wait_for_an_end_of_their_own() -> None:
    services: list[Event] = [Service(NOW, 10.0, 1, 1) for _ in range(3)]
    seen = a_snapshot(
        parked=[a_waiting(5, user="ann")], user_slots=1, running=[Running("ann", 4.0)], history=services, events=3
    )
    estimator = WaitEstimator()
    assert forecast(estimator, seen).parked[0].p50_s == 6
    assert estimator.events == 3


def test_a_paused_lane_waits_for_its_end_and_a_blocked_one_for_nobody_knows_what() -> None:
    seen = a_snapshot(waiting=[a_waiting(0)], closed="paused", closed_until_ms=NOW + 20_000)
    assert forecast(WaitEstimator(), seen).line[0].p50_s == 20
    assert forecast(WaitEstimator(), replace(seen, closed="blocked")).line[0].p50_s == math.inf


def test_beyond_the_simulated_depth_the_line_goes_on() -> None:
    seen = a_snapshot(
        waiting=[a_waiting(n) for n in range(10)], buckets=ONE_PER_S, depth=40, deep=[Deep(39, Place(9000, 77))]
    )
    last = forecast(WaitEstimator(), seen).line[-1]
    assert (last.place, last.ahead, last.p50_s) == (Place(9000, 77), 39, 40)
    assert last.p90_s > 43


def test_what_was_told_is_compared_with_what_came() -> None:
    estimator = WaitEstimator()
    forecast(estimator, a_snapshot(waiting=[a_waiting(0, queued_ms=NOW - 4000), a_waiting(1)], buckets=ONE_PER_S))
    ends: list[Event] = [WaitEnded(NOW + 3000, 7.0, False, "g0"), WaitEnded(NOW + 9000, 9.0, True, "g1")]
    outcomes = forecast(estimator, a_snapshot(history=ends, now_ms=NOW + 9000)).outcomes
    assert [(item.ticket, item.p50_s, item.actual_s, item.gave_up) for item in outcomes] == [
        ("g0", 1, 3.0, False),
        ("g1", 2, 9.0, True),
    ]
    assert forecast(estimator, a_snapshot(history=ends)).outcomes == []


def test_a_wrong_belief_is_corrected_by_its_own_outcomes() -> None:
    estimator = WaitEstimator()
    now_ms, previous = NOW, None
    for n in range(60):
        ended: list[Event] = [] if previous is None else [WaitEnded(now_ms, 3.0, False, previous)]
        seen = a_snapshot(waiting=[a_waiting(n, queued_ms=now_ms)], buckets=ONE_PER_S, history=ended, now_ms=now_ms)
        told = forecast(estimator, seen).line[0]
        now_ms, previous = now_ms + 3000, told.ticket
    assert told.p50_s == pytest.approx(2.0)
    assert told.p90_s == pytest.approx(2.0)


def test_promises_that_are_being_broken_raise_the_next_ones_at_once() -> None:
    estimator = WaitEstimator()
    waiting = [a_waiting(n) for n in range(8)]
    before = forecast(estimator, a_snapshot(waiting=waiting, buckets=ONE_PER_S)).line[7]
    later = forecast(estimator, a_snapshot(waiting=waiting, buckets=ONE_PER_S, now_ms=NOW + 60_000)).line[7]
    assert later.p90_s > 1.5 * before.p90_s


@pytest.mark.parametrize("short", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("long", [0.4, 1.0, 3.0])
def test_a_shorter_wait_is_never_told_as_a_longer_one(short: float, long: float) -> None:
    factors = {(False, False): (short, 1.0), (False, True): (long, 1.0)}
    told = [wait_estimator._middle(s / 2, (False, s / 2 > wait_estimator.LONG_S), factors) for s in range(200)]
    assert told == sorted(told)
