"""Words of the operators' pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from chatsite.templatetags import operations
from streaming.lane_snapshot import Bucket, Levels
from streaming.models import Lane
from streaming.site_now import LaneNow


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"), (0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (65, "1 min 05 s"), (3599.6, "1 h 0 min"),
        (7_500, "2 h 5 min"), (90_000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_a_duration_has_two_units_at_most(seconds: float | None, words: str) -> None:
    assert operations.duration(seconds) == words


def levels(**more: object) -> Levels:
    fields = {"closed": "", "closed_s": 0.0, "blocked": "", "held": "", "waiting": 0, "parked": 0, "running": 0,
              "slots": None, "buckets": {"r": Bucket(2.5, 10.0, 1.0), "o": Bucket(-5.0, 100.0, 1.0)}}  # fmt: skip
    return Levels(**{**fields, **more})  # type: ignore[arg-type]


def a_lane(seen: Levels | None, **row: object) -> LaneNow:
    return LaneNow(Lane(name="kitchen", **row), ["Tea"], seen)


SOON = timezone.now() + timedelta(hours=1)
PAST = timezone.now() - timedelta(hours=1)


@pytest.mark.parametrize(
    ("lane", "word", "why"),
    [
        (a_lane(levels()), "open", ""),
        (a_lane(None), "unknown", "cannot be asked"),
        (a_lane(levels(), held="pause", held_reason="They called."), "pause", "They called."),
        (a_lane(levels(), held="pause", held_reason="Lunch.", held_until=SOON), "pause", "Until"),
        (a_lane(levels(), held="pause", held_reason="Lunch.", held_until=PAST), "open", ""),
        (a_lane(levels(running=2), held="drain", held_reason="Old."), "drain", "Old."),
        (a_lane(levels(), blocked_reason="No money is left."), "blocked", "No money is left."),
        (a_lane(levels(closed="paused", closed_s=12.0)), "closed", "It goes on in 12 s."),
        (a_lane(levels(closed="overloaded")), "closed", "overloaded"),
    ],
)
def test_the_state_of_a_lane_says_why(lane: LaneNow, word: str, why: str) -> None:
    state, words, reason = operations.lane_state(lane)
    assert state == word
    assert words
    assert why in reason


def test_a_lane_that_drains_says_when_it_has() -> None:
    assert operations.lane_state(a_lane(levels(running=1), held="drain"))[1] == "draining"
    assert operations.lane_state(a_lane(levels(), held="drain"))[1] == "drained"


def test_budgets_show_what_is_used_of_each_limit() -> None:
    lane = a_lane(levels(), requests_per_minute=60, output_tokens_per_minute=20_000)
    assert operations.budgets(lane) == [("Requests", "60", 75), ("Output tokens", "20,000", 100)]
    assert operations.budgets(a_lane(None, requests_per_minute=60)) == [("Requests", "60", None)]


def test_a_worker_is_known_by_its_host_and_process() -> None:
    assert operations.short_worker("host.example.org:71:ab12cd") == "host:71"
