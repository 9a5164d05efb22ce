from __future__ import annotations

from streaming.reaper import Witness


def watch(witness: Witness, seconds: range, registry: str = "r1", missing: tuple[str, ...] = ("w1",)) -> list[int]:
    return [second for second in seconds if witness.observe(float(second), registry, missing)]


def test_it_calls_nobody_dead_before_it_watched_for_a_full_lease() -> None:
    assert watch(Witness(), range(0, 20, 2)) == [10, 12, 14, 16, 18]


def test_a_break_in_its_own_reads_starts_the_watch_again() -> None:
    witness = Witness()
    watch(witness, range(0, 12, 2))
    assert watch(witness, range(24, 40, 2)) == [34, 36, 38]


def test_a_new_registry_starts_the_watch_again() -> None:
    witness = Witness()
    watch(witness, range(0, 12, 2))
    assert watch(witness, range(12, 26, 2), registry="r2") == [22, 24]


def test_it_names_those_that_are_missing_and_no_others() -> None:
    witness = Witness()
    watch(witness, range(0, 12, 2), missing=())
    assert witness.observe(12.0, "r1", ["b", "a"]) == ["a", "b"]
    assert witness.observe(14.0, "r1", []) == []
