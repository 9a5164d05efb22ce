"""Where a question stands that was just accepted, for programs that ask once and come back later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streaming import database, wait_feed


@dataclass(frozen=True, slots=True)
class Place:
    """`position`: how many start before it, and itself; 0: it runs. None: nobody can tell."""

    position: int | None
    eta_s: float | None = None
    eta_p90_s: float | None = None


UNKNOWN: Final = Place(None)


async def place_of(generation: str, is_started: bool) -> Place:
    """`is_started`: its lane has just taken it, and would have given it a place if it had to wait."""
    waits = await database.call(wait_feed.load_waits, [generation])
    row = waits.get(generation)
    if row is None or (row.place is None and is_started):
        return Place(0, 0.0, 0.0)  # a worker has it, or is on its way to it
    board = wait_feed.get().board(row.lane)
    if board is None or row.place is None:
        return UNKNOWN
    wait = board.wait(row.place)
    return Place(wait.ahead + 1, _tenths(wait.p50_s), _tenths(wait.p90_s))


def _tenths(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
