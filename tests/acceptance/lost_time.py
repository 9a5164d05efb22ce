"""What a busy machine took from a line at a provider, as the provider's own log tells it. Pure: times are arguments.

While somebody waits, the next one could be asked as soon as the limits allow it. Who comes long after that was held up
by the machine (a process that stood still, a start that took seconds), which no promise could know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

#: Ten times what a hand-over takes on a quiet machine.
ORDINARY_S = 0.5


class Asked(NamedTuple):
    at: float
    ended_at: float


class HeldUp(NamedTuple):
    since: float
    until: float


def held_up(asked: Iterable[Asked], slots: int, pace_s: float) -> list[HeldUp]:
    """Of a line that was never empty between the first request and the last: whenever the provider would have taken
    one more and none came."""
    found: list[HeldUp] = []
    begun: list[Asked] = []
    for one in sorted(asked):
        if begun:
            since = max(begun[-1].at + pace_s, _free_at(begun, slots))
            if one.at - since > ORDINARY_S:
                found.append(HeldUp(since, one.at))
        begun.append(one)
    return found


def _free_at(begun: Sequence[Asked], slots: int) -> float:
    """When fewer than so many of them ran, after the last one began."""
    ends = sorted(one.ended_at for one in begun)
    return ends[-slots] if len(ends) >= slots else begun[-1].at


def lost_s(pauses: Iterable[HeldUp], begin: float, end: float) -> float:
    """How much of them lies between two instants."""
    return sum(max(0.0, min(one.until, end) - max(one.since, begin)) for one in pauses)
