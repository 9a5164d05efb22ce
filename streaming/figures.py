"""History for dashboards: sums of rollups over a stretch of time, in slots of equal length.

Each function is one query whose cost follows the number of slots and models, never that of attempts. Times are UTC;
slots without anything are there, with zeros. Sync.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q, Sum

from streaming import buckets
from streaming.models import LoadRollup, UsageRollup, UserRollup
from streaming.rollups import (
    AMOUNTS,
    COUNTS,
    HOUR_S,
    MINUTE_S,
    OUTCOMES,
    PEAKS,
    SUMMED,
    WAITS,
    Summed,
    floor,
    summed,
)

MINUTES_FOR_S: Final = 25 * HOUR_S
"""A longer stretch is read from hours."""


@dataclass(slots=True)
class Use:
    """What attempts used that ended in some time. `cost_micro`: millionths of a US dollar, of those with a known price;
    `unpriced` attempts have none."""

    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_micro: int = 0
    unpriced: int = 0
    #: `ttft`, `waited`, `handoff`, `provider_wait` → counts per bucket.
    waits: dict[str, list[int]] = field(default_factory=lambda: {name: buckets.empty() for name in WAITS})

    @property
    def attempts(self) -> int:
        return sum(self.outcomes.values())

    def percentile_ms(self, wait: str, share: float) -> float | None:
        return buckets.percentile(self.waits[wait], share)

    def add(self, row: dict[str, Any]) -> None:
        for name in OUTCOMES:
            self.outcomes[name] += row[name]
        for name in AMOUNTS:
            setattr(self, name, getattr(self, name) + row[name])
        for name in WAITS:
            if row[name]:
                self.waits[name] = list(map(operator.add, self.waits[name], row[name]))

    def as_row(self) -> dict[str, Any]:
        """As a row of a rollup has it."""
        return {name: getattr(self, name) for name in AMOUNTS} | self.outcomes | self.waits


@dataclass(slots=True)
class UseSlot(Use):
    start: datetime = field(kw_only=True)


@dataclass(slots=True)
class LoadSlot:
    start: datetime
    peak_running: int = 0
    peak_waiting: int = 0
    peak_sockets: int = 0
    resumes: int = 0
    gaps_healed: int = 0
    slow_clients: int = 0
    shed: int = 0
    chunks: int = 0
    chunk_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PersonUse(Summed):
    user_id: int
    name: str


def use_over_time_and_by_model(since: datetime, until: datetime, step_s: int) -> tuple[list[UseSlot], dict[str, Use]]:
    """Both from one query; models in the order of their tokens. Slots of whole hours are read from hours."""
    slots = {start: UseSlot(start=start) for start in _starts(since, until, step_s)}
    models: dict[str, Use] = defaultdict(Use)
    cells: dict[tuple[datetime, str], Use] = defaultdict(Use)
    rows = UsageRollup.objects.filter(_within(since, until, step_s))
    for row in rows.values("start", "model", *OUTCOMES, *AMOUNTS, *WAITS):
        cells[floor(row["start"], step_s), row["model"]].add(row)
    for (start, model), use in cells.items():  # far fewer than rows
        row = use.as_row()
        slots[start].add(row)
        models[model].add(row)
    by_tokens = sorted(models.items(), key=lambda one: -(one[1].input_tokens + one[1].output_tokens))
    return list(slots.values()), dict(by_tokens)


def use_over_time(since: datetime, until: datetime, step_s: int, *, model: str = "", lane: str = "") -> list[UseSlot]:
    """One slot per `step_s` (a multiple of 60; of 3600 for more than a day)."""
    slots = {start: UseSlot(start=start) for start in _starts(since, until, step_s)}
    rows = UsageRollup.objects.filter(_within(since, until))
    rows = rows.filter(**{name: value for name, value in (("model", model), ("lane", lane)) if value})
    for row in rows.values("start", *OUTCOMES, *AMOUNTS, *WAITS):
        slots[floor(row["start"], step_s)].add(row)
    return list(slots.values())


def use_by(column: str, since: datetime, until: datetime) -> dict[str, Use]:
    """Per `model`, `provider` or `lane`; who used most first."""
    uses: dict[str, Use] = {}
    rows = UsageRollup.objects.filter(_within(since, until))
    for row in rows.values(column, *OUTCOMES, *AMOUNTS, *WAITS):
        uses.setdefault(row[column], Use()).add(row)
    return dict(sorted(uses.items(), key=lambda one: -(one[1].input_tokens + one[1].output_tokens)))


def use_by_person(since: datetime, until: datetime, limit: int = 20) -> list[PersonUse]:
    """Those who used most, by tokens. By whole hours: the first one counts from its start."""
    rows = UserRollup.objects.filter(start__gte=floor(since, HOUR_S), start__lt=until)
    people = rows.values("user_id", "user__username").order_by()
    sums = people.annotate(**{f"sum_{name}": Sum(name) for name in SUMMED})
    most: Any = sums.annotate(tokens=Sum("input_tokens") + Sum("output_tokens")).order_by("-tokens", "user_id")[:limit]
    return [PersonUse(user_id=row["user_id"], name=row["user__username"], **summed(row)) for row in most]


def load_over_time(since: datetime, until: datetime, step_s: int, *, lane: str = "") -> list[LoadSlot]:
    """Peaks and counts; `lane` "": the whole site, which alone has the counts."""
    slots = {start: LoadSlot(start) for start in _starts(since, until, step_s)}
    rows = LoadRollup.objects.filter(_within(since, until, step_s), lane=lane)
    for row in rows.values("start", *PEAKS, *COUNTS):
        slot = slots[floor(row["start"], step_s)]
        for name in PEAKS:
            setattr(slot, name, max(getattr(slot, name), row[name]))
        for name in COUNTS:
            setattr(slot, name, getattr(slot, name) + row[name])
    return list(slots.values())


def total(uses: Iterable[Use]) -> Use:
    """Of slots, models or lanes."""
    whole = Use()
    for use in uses:
        whole.add(use.as_row())
    return whole


def _within(since: datetime, until: datetime, step_s: int = MINUTE_S) -> Q:
    is_short = (until - since).total_seconds() <= MINUTES_FOR_S
    span_s = MINUTE_S if is_short and step_s % HOUR_S else HOUR_S
    return Q(span_s=span_s, start__gte=floor(since, span_s), start__lt=until)


def _starts(since: datetime, until: datetime, step_s: int) -> Iterable[datetime]:
    start = floor(since, step_s)
    while start < until:
        yield start
        start += timedelta(seconds=step_s)
