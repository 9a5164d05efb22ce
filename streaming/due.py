"""Rows that are due by the clock: what the pacer's holder looks for each second. Sync, for `database.call`."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from streaming import conf
from streaming.models import Generation
from streaming.states import Status


def wake_ups(limit: int = 200) -> list[str]:
    """QUEUED rows whose wake-up is due; each is given its next time in the same step. Those that have a place in their
    lane need none: it lets them start, and `lane_rebuild` looks after it."""
    now = timezone.now()
    by_clock = Q(lane_tag__isnull=True) | Q(wait_until__isnull=False) | Q(stop_requested_at__isnull=False)
    due = Generation.objects.filter(by_clock, status=Status.QUEUED, wake_at__lte=now, deadline_at__gt=now)
    ids = [str(pk) for pk in due.order_by("wake_at").values_list("pk", flat=True)[:limit]]
    if ids:
        again = now + timedelta(seconds=conf.get().wake_again_s)
        Generation.objects.filter(pk__in=ids, status=Status.QUEUED).update(wake_at=again)
    return ids


def overdue(limit: int = 200) -> list[str]:
    """QUEUED rows past their deadline."""
    rows = Generation.objects.filter(status=Status.QUEUED, deadline_at__lte=timezone.now()).order_by("deadline_at")
    return [str(pk) for pk in rows.values_list("pk", flat=True)[:limit]]
