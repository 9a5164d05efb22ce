"""Whether people who waited at the same time were given the same, as the rows tell it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Row:
    """A generation as the database has it. The lane numbers its admissions, so their order is known exactly."""

    id: str
    user: int
    model: str
    status: str
    text: str
    attempt: int
    admission: int
    cost: int
    requested_at: datetime
    admitted_at: datetime | None


def unfairness(rows: Sequence[Row]) -> tuple[int, int]:
    """The largest difference, at any instant since all of them waited, of what two people who still wait had been
    given; and the largest request."""
    since, waiting, given, worst = _all_wait_since(rows), Counter(row.user for row in rows), Counter[int](), 0
    for row in sorted((row for row in rows if row.admission), key=lambda row: row.admission):
        waiting[row.user] -= 1
        assert row.admitted_at is not None
        if row.admitted_at > since:
            given[row.user] += row.cost
        shares = [given[user] for user, left in waiting.items() if left]
        worst = max(worst, _width(shares))
    return worst, max(row.cost for row in rows)


def _all_wait_since(rows: Iterable[Row]) -> datetime:
    """Whose third question is in has one that waits: the others could not have been served yet."""
    asked: dict[int, list[datetime]] = {}
    for row in sorted(rows, key=lambda row: row.requested_at):
        asked.setdefault(row.user, []).append(row.requested_at)
    return max(times[2] for times in asked.values())


def _width(shares: Sequence[int]) -> int:
    return max(shares, default=0) - min(shares, default=0)
