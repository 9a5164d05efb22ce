"""What is added up from the ledger: per minute and hour of each model, per hour of each person.

A row of a rollup is always made anew from all attempts that ended in its time, so it does not matter how often, late or
by whom that is done. `Attempt.in_rollup` is the watermark: false from an attempt's end (or a later correction) until
its minute has been made again. The pacer's holder calls `roll_up` every few seconds; a second holder at the same time
waits for the first one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from streaming import buckets, conf
from streaming.models import Attempt, LoadRollup, UsageRollup, UserRollup

MINUTE_S: Final = 60
HOUR_S: Final = 3600
PORTION: Final = 500
"""Attempts that one call takes up: bounded, since their rows are locked meanwhile."""
OUTCOMES: Final = ("completed", "stopped", "interrupted", "failed", "expired", "retried", "lost")
AMOUNTS: Final = ("input_tokens", "output_tokens", "cached_tokens", "cost_micro", "unpriced")
PEAKS: Final = ("peak_running", "peak_waiting", "peak_sockets")
COUNTS: Final = ("resumes", "gaps_healed", "slow_clients", "shed", "chunks", "chunk_bytes")
#: Column of the rollup → column of the attempt.
WAITS: Final = {"ttft": "ttft_ms", "waited": "waited_ms", "handoff": "handoff_ms", "provider_wait": "provider_ms"}
_KEY: Final = ("model", "provider", "lane")
_LOCK: Final = 0x726F6C6C
UNPRICED: Final = Q(cost_micro__isnull=True) & (Q(input_tokens__gt=0) | Q(output_tokens__gt=0))
#: All of `SUMMED`, of a query over attempts. An annotation named as its column would stand for it in the next one.
SUMS: Final[Mapping[str, Any]] = {
    "sum_attempts": Count("pk"),
    **{f"sum_{name}": Coalesce(Sum(name), 0) for name in AMOUNTS[:4]},
    "sum_unpriced": Count("pk", filter=UNPRICED),
}
SUMMED: Final = ("attempts", *AMOUNTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summed:
    """What attempts used. `cost_micro`: of those that have a known price; `unpriced` attempts have none."""

    attempts: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_micro: int
    unpriced: int


def summed(row: Mapping[str, Any]) -> dict[str, int]:
    """The fields of `Summed` from a row that has them as `sum_…`."""
    return {name: row[f"sum_{name}"] for name in SUMMED}


def floor(at: datetime, span_s: int) -> datetime:
    """The start of its minute, hour or day, UTC."""
    seconds = int(at.timestamp())
    return datetime.fromtimestamp(seconds - seconds % span_s, UTC)


def roll_up() -> int:
    """Take up the next attempts that have ended; returns how many. Call it again until there are none."""
    ended = Attempt.objects.filter(in_rollup=False, ended_at__isnull=False)
    return _roll_up(ended) if ended.exists() else 0  # a look costs the writers nothing


@transaction.atomic
def _roll_up(ended: Any) -> int:
    _one_at_a_time()
    found = list(ended.order_by("pk").values_list("pk", "ended_at", "user_id")[:PORTION])
    # Marked first: whatever changes an attempt from now on takes its mark away again.
    Attempt.objects.filter(pk__in=[pk for pk, *_ in found]).update(in_rollup=True)
    oldest = floor(timezone.now() - timedelta(days=conf.get().rollup_minutes_days), HOUR_S)
    minutes = {floor(at, MINUTE_S) for _, at, _ in found if at is not None}
    for minute in sorted(minutes):
        if minute >= oldest:
            _make(minute, MINUTE_S, _from_ledger(minute, MINUTE_S))
    for hour in sorted({floor(minute, HOUR_S) for minute in minutes}):
        _make(hour, HOUR_S, _from_minutes(hour) if hour >= oldest else _from_ledger(hour, HOUR_S))
    people: dict[datetime, set[int]] = defaultdict(set)
    for _, at, user_id in found:
        if at is not None and user_id is not None:
            people[floor(at, HOUR_S)].add(user_id)
    for hour, users in people.items():
        _make_people(hour, users)
    return len(found)


@transaction.atomic
def write_load(minute: int, lanes: Mapping[str, Mapping[str, int]]) -> None:
    """What was seen and told of a minute (seconds since 1970), per lane. Peaks and counts of a minute only grow: less
    than what is written already means that Redis, or this holder, has not seen all of it."""
    _one_at_a_time()
    start = datetime.fromtimestamp(minute, UTC)
    _make_load(start, MINUTE_S, lanes)
    hour = floor(start, HOUR_S)
    columns = {name: Max(name) for name in PEAKS} | {name: Sum(name) for name in COUNTS}
    whole: dict[str, dict[str, int]] = {}
    for lane in lanes:
        minutes = LoadRollup.objects.filter(span_s=MINUTE_S, lane=lane, start__gte=hour)
        sums = minutes.filter(start__lt=hour + timedelta(seconds=HOUR_S)).aggregate(**columns)
        whole[lane] = {name: value or 0 for name, value in sums.items()}
    _make_load(hour, HOUR_S, whole)


def _make_load(start: datetime, span_s: int, lanes: Mapping[str, Mapping[str, int]]) -> None:
    for lane, seen in lanes.items():
        row, is_new = LoadRollup.objects.get_or_create(start=start, span_s=span_s, lane=lane, defaults=dict(seen))
        grown = {name: value for name, value in seen.items() if value > getattr(row, name)}
        if grown and not is_new:
            LoadRollup.objects.filter(pk=row.pk).update(**grown)


def prune() -> int:
    """Drop what is older than the settings keep; returns how many rows. Bounded: call it again until it is zero."""
    settings, now = conf.get(), timezone.now()
    minutes = now - timedelta(days=settings.rollup_minutes_days)
    hours = now - timedelta(days=settings.rollup_hours_days)
    dropped = 0
    for rows, ages in (
        (UsageRollup.objects, Q(span_s=MINUTE_S, start__lt=floor(minutes, HOUR_S)) | Q(start__lt=hours)),
        (LoadRollup.objects, Q(span_s=MINUTE_S, start__lt=floor(minutes, HOUR_S)) | Q(start__lt=hours)),
        (UserRollup.objects, Q(start__lt=hours)),
    ):
        old = list(rows.filter(ages).values_list("pk", flat=True)[:PORTION])
        dropped += rows.filter(pk__in=old).delete()[0] if old else 0
    return dropped


def _one_at_a_time() -> None:
    """Of two that make the same minute, the one that read less could write last. SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _ended_in(start: datetime, span_s: int) -> Any:
    return Attempt.objects.filter(ended_at__gte=start, ended_at__lt=start + timedelta(seconds=span_s))


def _from_ledger(start: datetime, span_s: int) -> Iterable[dict[str, Any]]:
    made: dict[tuple[str, ...], dict[str, Any]] = {}
    columns = (*_KEY, "outcome", *AMOUNTS[:4], *WAITS.values())
    for row in _ended_in(start, span_s).values(*columns).iterator(chunk_size=2000):
        sums = made.setdefault(tuple(row[name] for name in _KEY), _nothing(row))
        if row["outcome"] in OUTCOMES:
            sums[row["outcome"]] += 1
        for name in AMOUNTS[:4]:
            sums[name] += row[name] or 0
        sums["unpriced"] += row["cost_micro"] is None and bool(row["input_tokens"] or row["output_tokens"])
        for name, column in WAITS.items():
            buckets.count(sums[name], row[column])
    return made.values()


def _from_minutes(hour: datetime) -> Iterable[dict[str, Any]]:
    made: dict[tuple[str, ...], dict[str, Any]] = {}
    minutes = UsageRollup.objects.filter(span_s=MINUTE_S, start__gte=hour, start__lt=hour + timedelta(seconds=HOUR_S))
    for row in minutes.values(*_KEY, *OUTCOMES, *AMOUNTS, *WAITS):
        sums = made.setdefault(tuple(row[name] for name in _KEY), _nothing(row))
        for name in (*OUTCOMES, *AMOUNTS):
            sums[name] += row[name]
        for name in WAITS:
            sums[name] = buckets.total((sums[name], row[name]))
    return made.values()


def _nothing(row: dict[str, Any]) -> dict[str, Any]:
    key = {name: row[name] for name in _KEY}
    return key | dict.fromkeys((*OUTCOMES, *AMOUNTS), 0) | {name: buckets.empty() for name in WAITS}


def _make(start: datetime, span_s: int, rows: Iterable[dict[str, Any]]) -> None:
    UsageRollup.objects.bulk_create(
        [UsageRollup(start=start, span_s=span_s, **row) for row in rows],
        update_conflicts=True,
        unique_fields=["span_s", "start", *_KEY],
        update_fields=[*OUTCOMES, *AMOUNTS, *WAITS],
    )


def _make_people(hour: datetime, users: set[int]) -> None:
    grouped = _ended_in(hour, HOUR_S).filter(user_id__in=users).values("user_id", "model").order_by()
    rows = [{name.removeprefix("sum_"): value for name, value in row.items()} for row in grouped.annotate(**SUMS)]
    UserRollup.objects.bulk_create(
        [UserRollup(start=hour, span_s=HOUR_S, **row) for row in rows],
        update_conflicts=True,
        unique_fields=["span_s", "start", "user", "model"],
        update_fields=list(SUMMED),
    )
