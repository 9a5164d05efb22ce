from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.wait_calibration import FACTOR_MAX, FACTOR_MIN, Calibration


def test_without_a_past_nothing_is_corrected() -> None:
    assert Calibration(0.9).factor() == 1.0


@given(st.floats(0.3, 3.0), st.integers(0, 5))
def test_nine_of_ten_promises_hold_however_wrong_the_belief_is(wrong: float, seed: int) -> None:
    dice, calibration, kept = random.Random(seed), Calibration(0.9), 0
    for n in range(400):
        announced, actual = 20.0, 20.0 * wrong * dice.uniform(0.5, 1.2)
        kept += n >= 200 and actual <= announced * calibration.factor() + 0.5
        calibration.learn(actual, announced)
    assert kept / 200 >= 0.82


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=200))
def test_the_factor_stays_within_its_bounds(waits: list[tuple[float, float]]) -> None:
    calibration = Calibration(0.9)
    for actual, announced in waits:
        calibration.learn(actual, announced)
    assert FACTOR_MIN <= calibration.factor() <= FACTOR_MAX


def test_a_small_factor_is_taken_for_chance_where_that_is_wished() -> None:
    calibration = Calibration(0.5, ignore=1.15)
    for _ in range(120):
        calibration.learn(22.0, 20.0)
    assert calibration.factor() == 1.0
    for _ in range(120):
        calibration.learn(40.0, 20.0)
    assert calibration.factor() == pytest.approx(41 / 21)


def test_promises_being_broken_now_count_before_their_waits_end() -> None:
    assert Calibration(0.9).factor([3.0] * 4) == 3.0


def test_who_leaves_before_a_promise_is_broken_teaches_nothing_and_after_it_does() -> None:
    calibration = Calibration(0.9)
    for _ in range(50):
        calibration.learn_of_who_left(5.0, 20.0)
    assert calibration.factor() == 1.0
    for _ in range(50):
        calibration.learn_of_who_left(60.0, 20.0)
    assert calibration.factor() > 1.5
