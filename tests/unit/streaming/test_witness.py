from __future__ import annotations

from streaming import bridge, witness
from streaming.witness import Look


def test_it_calls_nobody_dead_before_the_watch_lasted_for_a_full_lease() -> None:
    assert Look(9.9, ["w1"]).dead() == []
    assert Look(10.0, ["w1"]).dead() == ["w1"]


def test_it_names_those_that_are_missing_and_no_others() -> None:
    assert Look(60.0, ["b", "a"]).dead() == ["a", "b"]
    assert Look(60.0, []).dead() == []


def test_a_break_that_is_forgiven_ends_no_living_workers_lease() -> None:
    assert witness.GAP_MAX_S < witness.LEASE_S - bridge.BEAT_S
    assert witness.PERIOD_S < witness.GAP_MAX_S
