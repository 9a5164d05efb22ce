"""How honest the announced waits were: what people were first told, beside what came. Sync; call it from a view, or
through `database.call`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Avg, Count, F, Q, QuerySet
from django.db.models.functions import Abs
from django.utils import timezone

from streaming.models import Announcement
from streaming.wait_estimator import Outcome

KEEP_DAYS: Final = 30
BATCH: Final = 1000
SLACK_S: Final = 0.5
"""A promise that was passed by so little was kept: it is given in whole seconds."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of `count` announced waits. `coverage`: the share that ended within the promise (p90); `mae_s`: how far the
    expected wait (p50) was off; `width_s`: the median distance between the two. None: nothing to tell it from."""

    count: int
    coverage: float | None
    mae_s: float | None
    width_s: float | None


def keep(lane: str, outcomes: Iterable[Outcome]) -> None:
    """Write down how announced waits turned out."""
    Announcement.objects.bulk_create(
        Announcement(
            lane=lane,
            generation_id=UUID(outcome.ticket),
            announced_at=datetime.fromtimestamp(outcome.announced_ms / 1000, UTC),
            p50_s=outcome.p50_s,
            p90_s=outcome.p90_s,
            actual_s=outcome.actual_s,
            gave_up=outcome.gave_up,
        )
        for outcome in outcomes
    )


def prune(now: datetime | None = None) -> bool:
    """Forget a batch of those that are older than `KEEP_DAYS`; whether there may be more."""
    oldest = (now or timezone.now()) - timedelta(days=KEEP_DAYS)
    old = list(Announcement.objects.filter(announced_at__lt=oldest).values_list("pk", flat=True)[:BATCH])
    if old:
        Announcement.objects.filter(pk__in=old).delete()
    return len(old) == BATCH


def accuracy(lane: str | None = None, since: datetime | None = None) -> Accuracy:
    """Whoever gave up while the promise still held tells nothing of it; whoever gave up later saw it broken."""
    told = Announcement.objects.filter(actual_s__isnull=False)
    if lane is not None:
        told = told.filter(lane=lane)
    if since is not None:
        told = told.filter(announced_at__gte=since)
    broken = Q(actual_s__gt=F("p90_s") + SLACK_S)
    known = told.filter(Q(gave_up=False) | broken)
    sums = known.aggregate(
        count=Count("pk"),
        kept=Count("pk", filter=~broken),
        mae_s=Avg(Abs(F("actual_s") - F("p50_s")), filter=Q(gave_up=False)),
    )
    count = sums["count"]
    return Accuracy(count, sums["kept"] / count if count else None, sums["mae_s"], _median_width(known, count))


def by_lane(since: datetime) -> dict[str, Accuracy]:
    """The same of every lane that announced something, from one query; `width_s` is the mean there."""
    told = Announcement.objects.filter(actual_s__isnull=False, announced_at__gte=since)
    broken = Q(actual_s__gt=F("p90_s") + SLACK_S)
    rows = told.filter(Q(gave_up=False) | broken).values("lane").order_by("lane")
    sums = rows.annotate(
        count=Count("pk"),
        kept=Count("pk", filter=~broken),
        mae_s=Avg(Abs(F("actual_s") - F("p50_s")), filter=Q(gave_up=False)),
        width_s=Avg(F("p90_s") - F("p50_s")),
    )
    return {
        row["lane"]: Accuracy(row["count"], row["kept"] / row["count"], row["mae_s"], row["width_s"]) for row in sums
    }


def _median_width(known: QuerySet[Announcement], count: int) -> float | None:
    if not count:
        return None
    widths = known.annotate(width=F("p90_s") - F("p50_s")).order_by("width").values_list("width", flat=True)
    return float(widths[count // 2])
