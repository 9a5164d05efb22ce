"""One run of the forward simulation behind the estimates (see `eta`). Pure."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streaming.lane_snapshot import Bucket, Place

HORIZON_S: Final = 1800.0
"""Nobody waits longer (the queue's deadline is shorter), and a line that newcomers always pass would have no end."""
INFINITE: Final = float("inf")
NEWCOMERS_MAX: Final = 400
"""New tickets that one run lets in: a flood of them must not make the estimate dear."""
_NEWCOMER: Final = -1
_LAST: Final = 1 << 60

Entry = tuple[int, int, int]
"""A place (tag, seq) and the index of the ticket that has it."""


class Ticket(NamedTuple):
    """Somebody who waits. A ghost asks only when it would start, and takes nothing. `needs`: one per bucket."""

    place: Place
    user: str
    needs: tuple[float, ...]
    ghost: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """Everything a run needs, of one moment. Seconds count from now. `waiting` and `parked` are in the order of places;
    `buckets` are those that limit, in the order of a ticket's `needs`."""

    closed_s: float
    buckets: Sequence[Bucket]
    slots: int | None
    user_slots: int | None
    virtual: int
    waiting: Sequence[Ticket]
    parked: Sequence[Ticket]
    #: Age of each running ticket, and whose it is.
    running: Sequence[tuple[float, str]]
    #: Ascending.
    services_s: Sequence[float]
    #: Produced by estimated output; empty: as estimated. `output`: which bucket that is about.
    output_ratios: Sequence[float] = ()
    output: int | None = None
    hazard: float = 0.0
    #: New tickets: how many, whose with the spans of their tags, and where their users stand if beyond `virtual`.
    arrivals_per_s: float = 0.0
    newcomers: Sequence[tuple[str, int]] = ()
    finish: Mapping[str, int] = field(default_factory=dict)
    #: How often the provider closes the lane, and for how long.
    closings_per_s: float = 0.0
    closings_s: Sequence[float] = ()
    #: What a new ticket is thought to need.
    typical: tuple[float, ...] = ()


class Shared:
    """What all runs share. Budgets and limits that cannot bind are left out of them."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.tickets = [*lane.waiting, *lane.parked]
        real = [ticket for ticket in self.tickets if not ticket.ghost]
        self.overtaking = bool(real) and lane.arrivals_per_s > 0 and bool(lane.newcomers)
        self.last_tag = max((ticket.place.tag for ticket in self.tickets), default=0)
        self._choose_budgets(lane)
        crowded = lane.slots is not None and len(lane.running) + len(real) > lane.slots
        self.slots = lane.slots if self.overtaking or crowded else None
        self.capped = _capped(lane, real)
        #: Some tickets take nothing.
        self.careful = bool(self.capped or lane.hazard or len(real) < len(self.tickets))
        #: Nothing is left to chance.
        chances = self.overtaking, lane.hazard, self.capped, self.ratios, lane.closings_per_s
        self.certain = self.slots is None and not any(chances)
        self.order = [(*ticket.place, n) for n, ticket in enumerate(lane.waiting)]

    def _choose_budgets(self, lane: Lane) -> None:
        needed = [sum(ticket.needs[n] for ticket in self.tickets) for n in range(len(lane.buckets))]
        bound = [n for n, bucket in enumerate(lane.buckets) if self.overtaking or needed[n] > bucket.level]
        self.caps = [lane.buckets[n].cap for n in bound]
        self.rates = [max(1e-9, lane.buckets[n].rate) for n in bound]
        self.levels = [lane.buckets[n].level for n in bound]
        #: Of each ticket, and last, at index -1, of a newcomer. A bucket gives to a larger request when it is full.
        self.needs = [tuple(needs[n] for n in bound) for needs in (*(t.needs for t in self.tickets), lane.typical)]
        self.wants = [tuple(map(min, needs, self.caps)) for needs in self.needs]
        self.output = bound.index(lane.output) if lane.output in bound else -1
        self.ratios = lane.output_ratios if self.output >= 0 else ()


def _capped(lane: Lane, tickets: Sequence[Ticket]) -> dict[str, int]:
    """Users whose own limit can matter, with what they have in flight."""
    if lane.user_slots is None:
        return {}
    running = Counter(user for _, user in lane.running)
    wanted = running + Counter(ticket.user for ticket in tickets)
    return {user: running[user] for user, count in wanted.items() if count > lane.user_slots}


class Run:
    """One run: every wait played to its end."""

    def __init__(self, shared: Shared, random: Callable[[], float], starts: list[list[float]]) -> None:
        self._shared, self._lane, self._random, self._starts = shared, shared.lane, random, starts
        lane = shared.lane
        self._ends: list[float] = []
        self._own_ends: list[tuple[float, str]] = []
        self._in_flight = dict(shared.capped)
        self._aside: dict[str, list[Entry]] = {user: [] for user in shared.capped}
        #: In the line besides those who wait in order now: who came back from the own limit, and newcomers.
        self._others: list[Entry] = []
        for n in range(len(lane.waiting), len(shared.tickets)):
            ticket = shared.tickets[n]
            self._aside.get(ticket.user, self._others).append((*ticket.place, n))
        heapq.heapify(self._others)
        if shared.slots is not None or shared.capped:
            self._let_running_end()
        self._virtual = lane.virtual
        self._newcomers = 0
        self._finish = dict(lane.finish) if shared.overtaking else {}
        self._newcomer_at = self._gap(lane.arrivals_per_s) if shared.overtaking else INFINITE
        self._closing_at = self._gap(lane.closings_per_s) if lane.closings_per_s else INFINITE

    def play(self) -> int:  # noqa: C901  one function: calls would double the cost of a step
        """Returns how many steps it took."""
        shared, lane, random, services = self._shared, self._lane, self._random, self._lane.services_s
        order, others, ends, own_ends = shared.order, self._others, self._ends, self._own_ends
        caps, rates, slots, ratios, output = shared.caps, shared.rates, shared.slots, shared.ratios, shared.output
        now, next_up, length, steps, budgets = lane.closed_s, 0, len(order), 0, range(len(caps))
        levels = [min(caps[b], shared.levels[b] + rates[b] * now) for b in budgets]
        while now < HORIZON_S:
            steps += 1
            start = ends[0] if slots is not None and len(ends) >= slots and ends[0] > now else now
            if own_ends:
                self._let_back(start)
            if others and (next_up >= length or others[0] < order[next_up]):
                entry, in_order = others[0], False
            elif next_up < length:
                entry, in_order = order[next_up], True
            elif own_ends:
                now = max(now, own_ends[0][0])
                continue
            else:
                break
            n = entry[2]
            needs, wants = shared.needs[n], shared.wants[n]
            for b in budgets:
                if wants[b] > levels[b] and (ready := now + (wants[b] - levels[b]) / rates[b]) > start:
                    start = ready
            if start >= self._closing_at:
                now, levels = self._open_again(now, levels)
                continue
            if start >= self._newcomer_at and self._let_in(start, entry):
                continue
            if in_order:
                next_up += 1
            else:
                heapq.heappop(others)
            if n >= 0 and not self._takes(entry, start):
                continue
            for b in budgets:
                level = levels[b] + rates[b] * (start - now)
                levels[b] = (level if level < caps[b] else caps[b]) - needs[b]
            if ratios:
                levels[output] -= needs[output] * (ratios[int(random() * len(ratios))] - 1)
            now = start
            if slots is not None or shared.capped:
                self._serve(n, start + services[int(random() * len(services))])
        self._give_up(order[next_up:], max(now, HORIZON_S))
        return steps + self._newcomers

    def _takes(self, entry: Entry, start: float) -> bool:
        """Whether this ticket uses a slot and tokens at its start; records the start."""
        n, careful = entry[2], self._shared.careful
        if careful and self._is_out(entry):
            return False
        self._starts[n].append(start)
        if careful and self._takes_nothing(n, start):
            return False
        self._virtual = max(self._virtual, entry[0])
        return True

    def _is_out(self, entry: Entry) -> bool:
        """Whether its user is at the own limit: then it waits aside for an end of the user's own."""
        user = self._shared.tickets[entry[2]].user
        if self._in_flight.get(user, -1) < (self._lane.user_slots or 0):
            return False
        heapq.heappush(self._aside[user], entry)
        return True

    def _takes_nothing(self, n: int, start: float) -> bool:
        """A ghost, or somebody who gave up before the start."""
        hazard = self._lane.hazard
        return self._shared.tickets[n].ghost or (hazard > 0 and -math.log(1 - self._random()) / hazard < start)

    def _serve(self, n: int, end: float) -> None:
        shared = self._shared
        if shared.slots is not None:
            if len(self._ends) >= shared.slots:
                heapq.heapreplace(self._ends, end)
            else:
                heapq.heappush(self._ends, end)
        if n >= 0 and (user := shared.tickets[n].user) in self._in_flight:
            self._in_flight[user] += 1
            heapq.heappush(self._own_ends, (end, user))

    def _let_back(self, until: float) -> None:
        """Ends of users at their own limit bring the first of their tickets back into the line."""
        while self._own_ends and self._own_ends[0][0] <= until:
            _, user = heapq.heappop(self._own_ends)
            self._in_flight[user] -= 1
            if self._aside[user]:
                heapq.heappush(self._others, heapq.heappop(self._aside[user]))

    def _let_in(self, until: float, entry: Entry) -> bool:
        """New tickets arrive; True if one of them goes before `entry`."""
        while self._newcomer_at <= until:
            self._newcomers += 1
            more = self._newcomers < NEWCOMERS_MAX
            self._newcomer_at = self._newcomer_at + self._gap(self._lane.arrivals_per_s) if more else INFINITE
            user, span = self._lane.newcomers[int(self._random() * len(self._lane.newcomers))]
            tag = max(self._virtual, self._finish.get(user, 0))
            self._finish[user] = tag + span
            if tag < self._shared.last_tag:
                heapq.heappush(self._others, (tag, _LAST, _NEWCOMER))
        return bool(self._others) and self._others[0] < entry

    def _let_running_end(self) -> None:
        """When those in flight will end, given how long they have been running."""
        services, count = self._lane.services_s, len(self._lane.services_s)
        for age_s, user in self._lane.running:
            longer = bisect_right(services, age_s)
            if longer < count:
                end = services[longer + int(self._random() * (count - longer))] - age_s
            else:
                end = 0.2 * age_s * self._random() + 0.1
            self._ends.append(end)
            if user in self._in_flight:
                self._own_ends.append((end, user))
        heapq.heapify(self._own_ends)
        self._ends.sort()
        if self._shared.slots is not None:  # more may run than there are slots, if slots were taken away
            del self._ends[: max(0, len(self._ends) - self._shared.slots)]

    def _give_up(self, rest: Sequence[Entry], now: float) -> None:
        for entries in (rest, self._others, *self._aside.values()):
            for *_, n in entries:
                if n >= 0:
                    self._starts[n].append(now)

    def _open_again(self, now: float, levels: list[float]) -> tuple[float, list[float]]:
        """The provider closes the lane for a while: when it opens, and what the buckets hold then."""
        shared, closings_s = self._shared, self._lane.closings_s
        opens_at = self._closing_at + closings_s[int(self._random() * len(closings_s))]
        self._closing_at = opens_at + self._gap(self._lane.closings_per_s)
        opens_at = max(now, opens_at)
        refilled = [
            min(cap, level + rate * (opens_at - now))
            for cap, level, rate in zip(shared.caps, levels, shared.rates, strict=True)
        ]
        return opens_at, refilled

    def _gap(self, per_s: float) -> float:
        return -math.log(1 - self._random()) / per_s
