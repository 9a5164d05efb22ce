from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.acceptance.fair_shares import Row, unfairness

START = datetime(2026, 11, 21, tzinfo=UTC)


def served(*users: int, cost: int = 10) -> list[Row]:
    """Rows that were all asked at once and then admitted in this order of their people."""
    return [
        Row(f"{number}", user, "m", "completed", "", 1, number, cost, START, START + timedelta(seconds=number))
        for number, user in enumerate(users, start=1)
    ]


def test_turns_differ_by_one_request() -> None:
    assert unfairness(served(1, 2, 3, 1, 2, 3, 1, 2, 3)) == (10, 10)
    assert unfairness(served(1, 2, 2, 1, 1, 2)) == (10, 10)


def test_who_is_served_twice_in_a_row_while_another_waits_is_seen() -> None:
    assert unfairness(served(1, 1, 2, 2, 1, 2)) == (20, 10)


def test_who_waits_no_more_is_not_compared() -> None:
    assert unfairness(served(1, 2, 1, 2, 1, 2, 2, 2, 2)) == (10, 10)


def test_what_was_served_before_all_had_asked_does_not_count() -> None:
    late = START + timedelta(seconds=4.5)
    early = served(1, 1, 1, 1, 2, 1, 2, 1, 2)
    assert unfairness(early) == (40, 10)
    assert unfairness([row if row.user == 1 else replace(row, requested_at=late) for row in early]) == (10, 10)
