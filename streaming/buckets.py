"""Histograms of waits: counts per bucket, one more than there are edges. Pure; the same numbers from any database, and
the same edges in Prometheus (there in seconds)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

EDGES_MS: Final = (
    5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    900_000,
)  # fmt: skip
"""Upper edges, each inclusive; what is above the last one has a bucket of its own."""
EDGES_S: Final = tuple(edge / 1000 for edge in EDGES_MS)


def empty() -> list[int]:
    return [0] * (len(EDGES_MS) + 1)


def count(histogram: list[int], wait_ms: float | None) -> None:
    """Adds one wait; None was none."""
    if wait_ms is not None:
        histogram[bisect_left(EDGES_MS, wait_ms)] += 1


def total(histograms: Iterable[Sequence[int]]) -> list[int]:
    """Their sum. A histogram may be missing (empty)."""
    sums = empty()
    for histogram in histograms:
        for place, number in enumerate(histogram):
            sums[place] += number
    return sums


def percentile(histogram: Sequence[int], share: float) -> float | None:
    """The wait in milliseconds that `share` (0 to 1) of all stayed within, evenly spread inside its bucket as
    Prometheus takes it; None if nothing was counted. Beyond the last edge nobody knows: then it is that edge."""
    number = sum(histogram)
    if not number:
        return None
    rank, below = share * number, 0
    for place, inside in enumerate(histogram):
        if inside and below + inside >= rank:
            if place == len(EDGES_MS):
                break
            low = EDGES_MS[place - 1] if place else 0
            return low + (EDGES_MS[place] - low) * (rank - below) / inside
        below += inside
    return float(EDGES_MS[-1])
