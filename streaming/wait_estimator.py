"""From a lane's snapshot to everybody's estimated wait, and how former estimates turned out. Pure.

Whoever holds the pacer's lease has one estimator per lane and feeds it a snapshot per tick. It remembers what it first
told each ticket, compares that with the wait's end, and corrects what it says next.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from streaming import eta
from streaming.eta_run import INFINITE, Lane, Ticket
from streaming.lane_snapshot import Place, Snapshot, WaitEnded, Waiting
from streaming.wait_calibration import Calibration, ratio
from streaming.wait_history import WaitHistory

LONG_S: Final = 20.0
"""Short and long waits err differently; so do those that others can overtake."""
CORRECT_P50_BELOW_S: Final = 60.0
"""Corrections are one wait old: for long waits they come too late to move the middle."""
REMEMBER_MS: Final = 3_600_000
BEHIND_EQUALS: Final = 1 << 52
"""A seq that stands behind everybody of the same tag."""
_NEEDS_UNKNOWN: Final = {"r": 1.0, "i": 1000.0, "o": 500.0}

Kind = tuple[bool, bool]
_KINDS: Final = [(overtakable, long) for overtakable in (False, True) for long in (False, True)]


class WaitEstimate(NamedTuple):
    """Seconds until the start: half of such waits end within `p50_s`, nine of ten within `p90_s`. Infinite: unknown."""

    ticket: str
    place: Place
    ahead: int
    p50_s: float
    p90_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What somebody was first told, and what came. `gave_up`: the wait had not ended after `actual_s`."""

    ticket: str
    announced_ms: int
    p50_s: float
    p90_s: float
    actual_s: float
    gave_up: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """One tick's answer. `line` is in the order of places and reaches to the end of the lane, sparse beyond the depth
    of the simulation; `parked` wait for an end of their own; `newcomer` is a user who asks for the first time now."""

    seen: Snapshot
    line: list[WaitEstimate]
    parked: list[WaitEstimate]
    newcomer: WaitEstimate
    outcomes: list[Outcome]


class _Told(NamedTuple):
    """The first announcement, as simulated and as said. `waited_s`: the wait before it."""

    at_ms: int
    waited_s: float
    raw: tuple[float, float]
    said: tuple[float, float]
    kind: Kind


class WaitEstimator:
    def __init__(self) -> None:
        self.events = 0
        self._history = WaitHistory()
        self._told: dict[str, _Told] = {}
        self._middle = {kind: Calibration(0.5, ignore=1.15) for kind in _KINDS}
        self._upper = {kind: Calibration(0.9) for kind in _KINDS}

    def estimate(self, seen: Snapshot, random: Callable[[], float]) -> Forecast:
        """Take the next snapshot with `events`."""
        self.events = seen.events
        self._history.learn(seen.history)
        outcomes = self._score(event for event in seen.history if isinstance(event, WaitEnded))
        newcomer = Waiting("", Place(seen.virtual, BEHIND_EQUALS), "", 0, 0, seen.now_ms)
        at = bisect_right([item.place for item in seen.waiting], newcomer.place)
        asking = [*seen.waiting[:at], newcomer, *seen.waiting[at:]]
        lane = self._lane(seen, asking)
        samples = eta.simulate(lane, random)
        factors = self._factors(seen)
        everybody = zip([*asking, *seen.parked], samples, strict=True)
        told = [self._tell(item, starts, seen, lane, factors) for item, starts in everybody]
        line = [estimate._replace(ahead=n) for n, estimate in enumerate([*told[:at], *told[at + 1 : len(asking)]])]
        self._forget(seen.now_ms)
        return Forecast(
            seen=seen,
            line=[*line, *_deep(seen, lane, line)],
            parked=told[len(asking) :],
            newcomer=told[at]._replace(ahead=at),
            outcomes=outcomes,
        )

    def _lane(self, seen: Snapshot, asking: Sequence[Waiting]) -> Lane:
        waiting_s = sum(seen.now_ms - item.queued_ms for item in (*seen.waiting, *seen.parked)) / 1000
        per_s, newcomers = self._history.arrivals(seen.now_ms)
        closings_per_s, closings_s = self._history.closings(seen.now_ms)
        letters, typical = list(seen.buckets), _typical(seen.waiting)
        return Lane(
            closed_s=INFINITE if _has_no_end(seen) else seen.closed_s,
            buckets=list(seen.buckets.values()),
            slots=seen.slots,
            user_slots=seen.user_slots,
            virtual=seen.virtual,
            waiting=[_ticket(item, letters, typical) for item in asking],
            parked=[_ticket(item, letters, typical) for item in seen.parked],
            running=[(item.age_s, item.user) for item in seen.running],
            services_s=self._history.services_s(),
            output_ratios=self._history.output_ratios(),
            output=letters.index("o") if "o" in letters else None,
            hazard=self._history.hazard(seen.now_ms, waiting_s),
            arrivals_per_s=per_s,
            newcomers=newcomers,
            finish=seen.finish,
            closings_per_s=closings_per_s,
            closings_s=closings_s,
            typical=tuple(typical[letter] for letter in letters),
        )

    def _tell(
        self,
        item: Waiting,
        starts: Sequence[float],
        seen: Snapshot,
        lane: Lane,
        factors: dict[Kind, tuple[float, float]],
    ) -> WaitEstimate:
        raw = eta.quantile(starts, 0.5), eta.quantile(starts, 0.9)
        kind = (lane.arrivals_per_s > 0 and item.place.tag > seen.virtual, raw[0] > LONG_S)
        p50, upper = _middle(raw[0], kind, factors), factors[kind][1]
        said = p50, max(p50, raw[1] * upper)
        if item.ticket and raw[1] < INFINITE and item.ticket not in self._told:
            waited_s = (seen.now_ms - item.queued_ms) / 1000
            self._told[item.ticket] = _Told(seen.now_ms, waited_s, raw, said, kind)
        return WaitEstimate(item.ticket, item.place, 0, *said)

    def _factors(self, seen: Snapshot) -> dict[Kind, tuple[float, float]]:
        """Per kind, for p50 and p90. Promises that broken waits of now have passed already count at once: the next ones
        need not wait for their end."""
        broken: dict[Kind, list[float]] = {kind: [] for kind in _KINDS}
        for item in (*seen.waiting, *seen.parked):
            if (told := self._told.get(item.ticket)) is not None:
                waited_s = (seen.now_ms - told.at_ms) / 1000
                if waited_s > told.raw[1]:
                    broken[told.kind].append(ratio(waited_s, told.raw[1]))
        return {kind: (self._middle[kind].factor(), self._upper[kind].factor(broken[kind])) for kind in _KINDS}

    def _score(self, ended: Iterable[WaitEnded]) -> list[Outcome]:
        outcomes = []
        for event in ended:
            if (told := self._told.pop(event.ticket, None)) is None:
                continue
            actual_s = max(0.0, event.waited_s - told.waited_s)
            outcomes.append(Outcome(event.ticket, told.at_ms, *told.said, actual_s, event.gave_up))
            if event.gave_up:
                self._upper[told.kind].learn_of_who_left(actual_s, told.raw[1])
            else:
                self._middle[told.kind].learn(actual_s, told.raw[0])
                self._upper[told.kind].learn(actual_s, told.raw[1])
        return outcomes

    def _forget(self, now_ms: int) -> None:
        """Tickets whose end nobody told us of. The oldest announcement is the first one."""
        while self._told and next(iter(self._told.values())).at_ms < now_ms - REMEMBER_MS:
            del self._told[next(iter(self._told))]


def _middle(raw_s: float, kind: Kind, factors: dict[Kind, tuple[float, float]]) -> float:
    """The corrected p50. Never more than what somebody further back is told: a wait that gets shorter passes from one
    correction to the next, and must not look longer for it."""
    overtakable, long = kind
    if raw_s >= CORRECT_P50_BELOW_S:
        return raw_s
    edge_s = CORRECT_P50_BELOW_S if long else min(CORRECT_P50_BELOW_S, LONG_S * factors[overtakable, True][0])
    return min(raw_s * factors[kind][0], edge_s)


def _has_no_end(seen: Snapshot) -> bool:
    """Closed by somebody who did not say until when."""
    return seen.closed == "blocked" or (seen.closed == "held" and not seen.closed_until_ms)


def _ticket(item: Waiting, letters: Sequence[str], typical: dict[str, float]) -> Ticket:
    needs = {"r": 1.0, "i": float(item.input), "o": float(item.output)} if item.ticket else typical
    return Ticket(item.place, item.user, tuple(needs[letter] for letter in letters), ghost=not item.ticket)


def _typical(waiting: Sequence[Waiting]) -> dict[str, float]:
    if not waiting:
        return _NEEDS_UNKNOWN
    count = len(waiting)
    return {
        "r": 1.0,
        "i": sum(item.input for item in waiting) / count,
        "o": sum(item.output for item in waiting) / count,
    }


def _deep(seen: Snapshot, lane: Lane, line: Sequence[WaitEstimate]) -> list[WaitEstimate]:
    if not line:
        return []
    last, span_s = line[-1], eta.seconds_per_ticket(lane)
    return [
        WaitEstimate("", deep.place, deep.ahead, *eta.beyond(last[3:], deep.ahead - last.ahead, span_s, lane.hazard))
        for deep in seen.deep
    ]
