"""When will each waiting ticket start? A forward simulation of the lane as it stands. Pure.

One run (`eta_run`) plays the line to its end: slots become free, buckets refill, people give up, new tickets step in
before others, users at their own limit are passed over. It records every ticket's start, so a tick costs the same for
one person who asks and for five hundred. Many runs give the spread. Beyond `DEPTH_MAX` a closed form goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from streaming.eta_run import INFINITE, Lane, Run, Shared
from streaming.lane_snapshot import Bucket

DEPTH_MAX: Final = 500
STEPS_MAX: Final = 12_000
RUNS_MIN: Final = 24
RUNS_MAX: Final = 300


def simulate(lane: Lane, random: Callable[[], float]) -> list[list[float]]:
    """Sampled seconds until the start, ascending, of each of `waiting` and then of each of `parked`; infinite where
    nothing can start."""
    shared = Shared(lane)
    starts: list[list[float]] = [[] for _ in shared.tickets]
    if lane.slots == 0 or lane.closed_s == INFINITE:
        return [[INFINITE] for _ in starts]
    runs = steps = 0
    least, most = (1, 1) if shared.certain else (RUNS_MIN, RUNS_MAX)
    while runs < least or (runs < most and steps < STEPS_MAX):
        runs += 1
        steps += Run(shared, random, starts).play()
    for samples in starts:
        samples.sort()
    return starts


def quantile(ascending: Sequence[float], share: float) -> float:
    """Interpolated between samples."""
    at = share * (len(ascending) - 1)
    low = int(at)
    if low + 1 >= len(ascending):
        return ascending[-1]
    return ascending[low] + (at - low) * (ascending[low + 1] - ascending[low])


def seconds_per_ticket(lane: Lane) -> float:
    """How fast a long line moves: the slowest of the budgets and of the slots. Infinite if nothing moves."""
    spans = [_span(need, bucket) for need, bucket in zip(lane.typical, lane.buckets, strict=True)]
    if lane.slots is not None:
        mean = sum(lane.services_s) / len(lane.services_s)
        spans.append(mean / lane.slots if lane.slots else INFINITE)
    return max(spans, default=0.0)


def beyond(last: tuple[float, float], further: int, span_s: float, hazard: float) -> tuple[float, float]:
    """p50 and p90 of a place `further` tickets behind the last simulated one. Of those in between some give up;
    the uncertainty of the rate grows with the line, that of single tickets with its root."""
    p50, p90 = last
    added = further * span_s
    if hazard > 0 and added > 0:
        added = math.log1p(hazard * added) / hazard
    return p50 + added, p90 + added * 1.1 + span_s * math.sqrt(further)


def _span(need: float, bucket: Bucket) -> float:
    if need <= 0:
        return 0.0
    return need / bucket.rate if bucket.rate > 0 else INFINITE
