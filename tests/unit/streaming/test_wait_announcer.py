from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.wait_announcer import Announcer
from streaming.wait_board import Wait


def wait(p50: float | None, p90: float | None = None, ahead: int = 3, why: str = "open") -> Wait:
    return Wait(ahead, p50, p50 * 1.5 if p90 is None and p50 is not None else p90, why)


def told(announcer: Announcer, given: Wait, now: float) -> tuple[float | None, float | None, str] | None:
    said = announcer.consider(given, now)
    return None if said is None else (said.p50_s, said.p90_s, said.reason)


@pytest.mark.parametrize(("p90", "promised"), [(41, 45), (57, 60), (61, 75), (290, 300), (301, 360)])
def test_the_first_wait_is_always_told_with_a_round_promise(p90: float, promised: float) -> None:
    assert told(Announcer(), wait(40, p90), 0) == (40, promised, "")


def test_while_it_goes_as_told_nothing_is_sent() -> None:
    announcer = Announcer()
    announcer.consider(wait(40, 70), 0)
    assert [announcer.consider(wait(40 - now, 70 - now), now) for now in range(1, 38)] == [None] * 37


def test_small_changes_are_not_news() -> None:
    announcer = Announcer()
    announcer.consider(wait(40, 70), 0)
    assert announcer.consider(wait(38, 66), 4) is None
    assert announcer.consider(wait(34, 62), 8) is None


def test_a_much_shorter_wait_is_told_without_a_reason() -> None:
    announcer = Announcer()
    announcer.consider(wait(40, 70), 0)
    assert told(announcer, wait(20, 40), 5) == (20, 40, "")


def test_fewer_people_ahead_are_told_and_no_number_climbs_with_it() -> None:
    announcer = Announcer()
    announcer.consider(wait(40, 70), 0)
    assert told(announcer, wait(32, 90, ahead=2), 10) == (30, 65, "")


@pytest.mark.parametrize(
    ("grown", "reason"),
    [(wait(55, 90), "slower"), (wait(55, 90, ahead=5), "overtaken"), (wait(55, 90, why="paused"), "paused")],
)
def test_a_number_climbs_only_with_its_reason(grown: Wait, reason: str) -> None:
    announcer = Announcer()
    announcer.consider(wait(40, 70), 0)
    assert told(announcer, grown, 10) == (55, 65, reason)


def test_a_promise_missed_by_little_stays_any_moment() -> None:
    announcer = Announcer()
    announcer.consider(wait(40, 45), 0)
    announcer.consider(wait(2, 4), 42)
    assert [announcer.consider(wait(6, 9), now) for now in range(45, 90)] == [None] * 45


def test_a_promise_clearly_missed_is_replaced_by_a_new_one_with_a_reason() -> None:
    announcer = Announcer()
    announcer.consider(wait(40, 45), 0)
    assert told(announcer, wait(30, 42), 40) == (30, 45, "slower")
    assert announcer.consider(wait(20, 35), 50) is None


def test_the_end_of_a_pause_is_told_at_once_and_does_not_climb() -> None:
    announcer = Announcer()
    announcer.consider(wait(40, 70, why="paused"), 0)
    said = announcer.consider(wait(39.9, 70), 0.5)
    assert said is not None
    assert (said.why, said.p50_s, said.reason) == ("open", 39.5, "")


def test_nobody_can_tell_is_said_once_and_a_number_after_it_is_no_climb() -> None:
    announcer = Announcer()
    announcer.consider(wait(40, 70), 0)
    assert told(announcer, wait(None, why="blocked"), 5) == (None, None, "blocked")
    assert announcer.consider(wait(None, why="blocked"), 9) is None
    assert told(announcer, wait(30, 50), 20) == (30, 50, "")


def test_it_speaks_seldom_when_the_wait_is_long() -> None:
    announcer = Announcer()
    announcer.consider(wait(600, 900, ahead=500), 0)
    sent = sum(
        announcer.consider(wait(600 - 3 * now, 900, ahead=500 - 5 * now), now) is not None for now in range(1, 61)
    )
    assert sent <= 5


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(1, 3), st.integers(0, 40), st.floats(0.2, 20)), max_size=40))
def test_whatever_the_estimates_do_neither_number_climbs_without_a_reason(
    ticks: list[tuple[float, float, int, float]],
) -> None:
    announcer, now, ends_at, promised_at = Announcer(), 0.0, float("inf"), float("inf")
    for p50, spread, ahead, gap in ticks:
        now += gap
        said = announcer.consider(Wait(ahead, p50, p50 * spread), now)
        if said is None:
            continue
        assert said.p50_s is not None
        assert said.p90_s is not None
        assert said.p50_s <= said.p90_s
        if not said.reason:
            assert now + said.p50_s <= max(now, ends_at) + 1e-6
            assert now + said.p90_s <= max(now, promised_at) + 1e-6
        ends_at, promised_at = now + said.p50_s, now + said.p90_s
