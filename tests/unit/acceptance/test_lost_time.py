import pytest

from tests.acceptance.lost_time import Asked, HeldUp, held_up, lost_s

#: One every second at most, two at once; each takes three seconds.
SLOTS, PACE_S = 2, 1.0


def asked(*times: float) -> list[Asked]:
    return [Asked(at, at + 3) for at in times]


def test_whoever_comes_as_soon_as_there_is_room_was_not_held_up() -> None:
    assert held_up(asked(0, 1, 3.1, 4.3, 6.5), SLOTS, PACE_S) == []


def test_time_in_which_there_was_room_and_nobody_came_is_lost() -> None:
    assert held_up(asked(0, 9, 10), SLOTS, PACE_S) == [HeldUp(1, 9)]
    assert held_up(asked(0, 1, 8), SLOTS, PACE_S) == [HeldUp(3, 8)], "the first of the two slots was free at 3"


def test_only_what_lies_within_a_wait_counts_for_it() -> None:
    pauses = [HeldUp(1, 9), HeldUp(20, 21)]
    assert [lost_s(pauses, *wait) for wait in ((0, 30), (5, 20.5), (9, 20))] == pytest.approx([9, 4.5, 0])
