from __future__ import annotations

import random

import pytest

from streaming.lane_snapshot import Arrival, Closed, Service, WaitEnded
from streaming.wait_history import UNKNOWN_S, WaitHistory


def services(*seconds: float) -> list[Service]:
    return [Service(0, value, 100, 50) for value in seconds]


def test_without_a_past_a_guess_stands_in() -> None:
    history = WaitHistory()
    assert history.services_s() == list(UNKNOWN_S)
    assert history.output_ratios() == [1.0]
    assert (history.hazard(0, 0.0), history.arrivals(0), history.closings(0)) == (0.0, (0.0, []), (0.0, []))


def test_services_are_kept_in_ascending_order_and_the_oldest_are_forgotten() -> None:
    history = WaitHistory()
    history.learn(services(*[8.0, 12.4] * 50, *[9.0, 11.0] * 200))
    assert history.services_s() == [9.0] * 200 + [11.0] * 200
    assert set(history.output_ratios()) == {0.5}


@pytest.mark.parametrize("factor", [0.5, 1.7, 3.0])
def test_when_the_provider_changes_its_pace_the_past_is_cut(factor: float) -> None:
    dice, history = random.Random(1), WaitHistory()
    history.learn(services(*(dice.lognormvariate(2.5, 0.7) for _ in range(400))))
    assert len(history.services_s()) == 400
    after = 0
    while len(history.services_s()) > 60:
        history.learn(services(dice.lognormvariate(2.5, 0.7) * factor))
        after += 1
    assert after <= 60


def test_chance_does_not_cut_the_past() -> None:
    kept = []
    for seed in range(20):
        dice, history = random.Random(seed), WaitHistory()
        history.learn(services(*(dice.lognormvariate(2.5, 0.7) for _ in range(600))))
        kept.append(len(history.services_s()))
    assert sorted(kept)[4] >= 300


def test_people_who_give_up_are_counted_against_the_time_that_was_waited() -> None:
    history = WaitHistory()
    history.learn(WaitEnded(1000, 30.0, n < 3, f"g{n}") for n in range(10))
    assert history.hazard(2000, 100.0) == pytest.approx(3 / 400)
    assert history.hazard(1000 + 600_001, 100.0) == 0.0


def test_two_who_gave_up_are_no_habit() -> None:
    history = WaitHistory()
    history.learn(WaitEnded(1000, 300.0, True, f"g{n}") for n in range(2))
    assert history.hazard(2000, 0.0) == 0.0


def test_arrivals_are_those_of_the_last_five_minutes() -> None:
    history = WaitHistory()
    history.learn(Arrival(n * 1000, 500, f"user{n}") for n in range(101))
    per_s, newcomers = history.arrivals(100_000)
    assert per_s == pytest.approx(1.01)
    assert newcomers[0] == ("user0", 500)
    assert history.arrivals(100_000 + 300_001) == (0.0, [])


def test_after_a_burst_silence_says_that_no_more_are_coming() -> None:
    history = WaitHistory()
    history.learn(Arrival(n * 100, 500, f"user{n % 12}") for n in range(100))
    assert history.arrivals(10_000)[0] == pytest.approx(100 / 30)
    assert history.arrivals(30_000)[0] == pytest.approx(3 / 20.1)
    history.learn([Arrival(40_000, 500, "late")])
    assert history.arrivals(40_000)[0] == pytest.approx(101 / 40)


def test_closings_are_those_of_the_last_hour() -> None:
    history = WaitHistory()
    history.learn([Closed(0, 20.0), Closed(900_000, 10.0)])
    assert history.closings(1_800_000) == (pytest.approx(2 / 1800), [20.0, 10.0])
    assert history.closings(3_600_001) == (0.0, [])
