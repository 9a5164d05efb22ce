"""Rows that are due by the clock: what the pacer's holder looks for each second. Sync, for `database.call`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from streaming import conf
from streaming.models import Generation, Lane
from streaming.states import Status

PAUSED_MAX: Final = timedelta(days=1)
"""Nobody waits longer for an administrator's word."""


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


def keep_paused() -> int:
    """Whoever waits for a lane that an administrator paused was told that the question keeps its place: its deadline
    stays at least half of itself away, and so it does when the lane goes on. Returns how many were put off."""
    now, whole = timezone.now(), timedelta(seconds=conf.get().queue_deadline_s)
    lanes = list(Lane.objects.filter(held="pause").exclude(held_until__lte=now).values_list("pk", flat=True))
    if not lanes:
        return 0
    rows = Generation.objects.filter(lane__in=lanes, status=Status.QUEUED, requested_at__gt=now - PAUSED_MAX)
    return rows.filter(deadline_at__lt=now + whole / 2).update(deadline_at=now + whole)


def overdue(limit: int = 200) -> list[str]:
    """QUEUED rows past their deadline."""
    rows = Generation.objects.filter(status=Status.QUEUED, deadline_at__lte=timezone.now()).order_by("deadline_at")
    return [str(pk) for pk in rows.values_list("pk", flat=True)[:limit]]
