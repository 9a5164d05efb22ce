from __future__ import annotations

import json
from typing import Any

from streaming.lane_snapshot import Place
from streaming.wait_board import Board, Point
from streaming.wait_teller import ENQUEUED_WITHIN_MS, RowWait, WaitTeller

PLACE = Place(500, 7)
SINCE_MS = 1_000_000


def a_board(
    p50_s: float, *, ahead: int = 2, at_ms: int = SINCE_MS + 1000, closed: str = "", closed_s: float = 0
) -> Board:
    grid = (Point(PLACE, ahead, p50_s, p50_s * 1.5),)
    return Board("demo", at_ms, ahead + 1, closed, closed_s, "", (ahead + 1, p50_s, p50_s * 2), grid, {})


def a_teller(**more: Any) -> WaitTeller:
    teller = WaitTeller("g1", 0)
    teller.learn(RowWait("demo", PLACE, SINCE_MS)._replace(**more))
    return teller


def told(frame: str | None) -> dict[str, Any]:
    assert frame is not None
    data: dict[str, Any] = json.loads(frame)
    return data


def test_the_first_board_that_knows_the_ticket_is_told() -> None:
    frame = told(a_teller().consider(a_board(40), 100.0))
    assert frame == {
        "type": "stream.queued", "generation": "g1", "reason": "waiting", "message": "",
        "ahead": 2, "p50_s": 40.0, "p90_s": 60.0, "why": "open",
    }  # fmt: skip


def test_a_board_drawn_before_the_ticket_was_in_the_lane_says_nothing() -> None:
    teller = a_teller()
    assert teller.consider(a_board(0, at_ms=SINCE_MS + ENQUEUED_WITHIN_MS - 1), 100.0) is None
    assert teller.latest(100.0) is None
    assert teller.consider(a_board(0, at_ms=SINCE_MS + ENQUEUED_WITHIN_MS), 100.0) is not None


def test_nothing_is_said_of_a_row_without_a_place() -> None:
    unknown, without = WaitTeller("g1", SINCE_MS), a_teller(place=None)
    for teller in (unknown, without):
        assert not teller.is_placed
        assert teller.consider(a_board(40), 100.0) is None


def test_who_comes_later_gets_the_last_numbers_counted_down() -> None:
    teller = a_teller()
    teller.consider(a_board(40, closed="paused", closed_s=20), 100.0)
    later = teller.latest(112.5)
    assert later is not None
    assert (later.p50_s, later.p90_s, later.resume_s, later.ahead, later.why) == (27.5, 47.5, 7.5, 2, "paused")
    long_after = teller.latest(500.0)
    assert long_after is not None
    assert (long_after.p50_s, long_after.p90_s, long_after.resume_s) == (0.0, 0.0, None)


def test_a_number_that_rises_says_why_and_only_to_those_who_saw_the_lower_one() -> None:
    teller = a_teller()
    teller.consider(a_board(10), 100.0)
    frame = told(teller.consider(a_board(90, ahead=5, at_ms=SINCE_MS + 9000), 108.0))
    assert (frame["why"], frame["p50_s"]) == ("overtaken", 90.0)
    newcomer = teller.latest(109.0)
    assert newcomer is not None
    assert newcomer.why == "open"


def test_its_own_next_try_is_not_covered_by_an_estimate_unless_the_lane_is_closed() -> None:
    retry = {"retry_ms": SINCE_MS + 5000}
    assert a_teller(**retry).consider(a_board(3), 100.0) is None
    assert a_teller(**retry).consider(a_board(3, at_ms=SINCE_MS + 5000), 105.0) is not None
    assert told(a_teller(**retry).consider(a_board(9, closed="paused", closed_s=8), 100.0))["why"] == "paused"


def test_without_boards_the_numbers_are_taken_back_once() -> None:
    teller = a_teller()
    assert teller.nobody_can_tell(99.0) is None
    teller.consider(a_board(40), 100.0)
    frame = told(teller.nobody_can_tell(116.0))
    assert (frame["ahead"], frame.get("p50_s"), frame.get("p90_s")) == (2, None, None)
    assert teller.nobody_can_tell(117.0) is None
    assert told(teller.consider(a_board(30, at_ms=SINCE_MS + 60_000), 160.0))["p50_s"] == 30.0
