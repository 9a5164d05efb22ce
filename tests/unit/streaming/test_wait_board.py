from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.lane_snapshot import Place, Snapshot
from streaming.wait_board import EXACT, POINTS_MAX, Board, draw_board
from streaming.wait_estimator import Forecast, WaitEstimate
from tests.unit.streaming.wait_snapshots import a_snapshot


def a_forecast(count: int, *, seen: Snapshot | None = None, parked: list[WaitEstimate] | None = None) -> Forecast:
    """A line that moves one ticket per second; tags grow by 1000 every ten tickets."""
    line = [WaitEstimate(f"g{n}", Place(1000 * (n // 10), n), n, float(n), n * 1.5) for n in range(count)]
    newcomer = WaitEstimate("", Place(0, 1 << 52), 10, 10.0, 15.0)
    return Forecast(seen or a_snapshot(depth=count), line, parked or [], newcomer, [])


def board(count: int, **more: object) -> Board:
    return Board.decode(draw_board("demo", a_forecast(count, **more)).encode())  # type: ignore[arg-type]


def test_the_first_places_are_exact_and_the_others_near() -> None:
    drawn = board(10_000)
    assert len(drawn.grid) <= POINTS_MAX
    for n in range(EXACT):
        assert drawn.wait(Place(1000 * (n // 10), n)).ahead == n
    for n in (40, 333, 2500, 9999):
        wait = drawn.wait(Place(1000 * (n // 10), n))
        assert wait.ahead == pytest.approx(n, rel=0.08)
        assert wait.p50_s == pytest.approx(n, rel=0.08)


@given(st.integers(1, 3000), st.data())
def test_waits_grow_with_the_place(count: int, data: st.DataObject) -> None:
    drawn = draw_board("demo", a_forecast(count))
    low = data.draw(st.integers(0, count - 1))
    high = data.draw(st.integers(low, count - 1))
    first, second = (drawn.wait(Place(1000 * (n // 10), n)) for n in (low, high))
    assert first.ahead <= second.ahead
    assert (first.p50_s or 0) <= (second.p50_s or 0)


def test_it_is_small_and_names_nobody() -> None:
    text = draw_board("demo", a_forecast(10_000)).encode()
    assert len(text) < 3000
    assert "g1" not in text


def test_somebody_before_the_first_and_somebody_behind_the_last_is_told_as_they_are() -> None:
    drawn = board(5)
    assert (drawn.wait(Place(-5, 0)).ahead, drawn.wait(Place(-5, 0)).p50_s) == (0, 0)
    assert (drawn.wait(Place(9000, 9)).ahead, drawn.wait(Place(9000, 9)).p50_s) == (5, 4)


def test_in_an_empty_line_everybody_is_a_newcomer() -> None:
    drawn = board(0)
    assert drawn.wait(Place(0, 1)).p50_s == 10
    assert (drawn.present().ahead, drawn.present().p50_s, drawn.present().p90_s) == (10, 10, 15)


def test_a_parked_ticket_is_told_that_an_answer_of_its_own_must_end() -> None:
    wait = board(3, parked=[WaitEstimate("g9", Place(700, 9), 0, 6.0, 8.0)]).wait(Place(700, 9))
    assert (wait.why, wait.p50_s) == ("own", 6.0)


def test_a_closed_lane_says_why_and_until_when() -> None:
    seen = a_snapshot(depth=3, closed="paused", closed_until_ms=1_020_000)
    wait = board(3, seen=seen).wait(Place(0, 1))
    assert (wait.why, wait.resume_s) == ("paused", 20.0)


def test_a_blocked_lane_tells_no_number_and_its_sentence() -> None:
    seen = a_snapshot(depth=1, closed="blocked", blocked="No credit.")
    line = [WaitEstimate("g0", Place(0, 0), 0, math.inf, math.inf)]
    told = Forecast(seen, line, [], WaitEstimate("", Place(0, 9), 1, math.inf, math.inf), [])
    wait = Board.decode(draw_board("demo", told).encode()).wait(Place(0, 0))
    assert (wait.p50_s, wait.p90_s, wait.why, wait.message) == (None, None, "blocked", "No credit.")
