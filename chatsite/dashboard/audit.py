"""The audit trail: who did what to what, and why. Django's own LogEntry, which the admin shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone

#: Of one person: who tries one thing after the other fills neither the trail nor the database.
REFUSALS_MAX: Final = 20
REFUSALS_PERIOD: Final = timedelta(hours=1)
_REFUSED: Final = "Refused, no permission"
_LAST: Final = " (the last one that is written down for now)"


def note(request: HttpRequest, target: Model | str, what: str, why: str) -> None:
    """`target`: a row, or the name of what has none (a worker)."""
    of_row: dict[str, Any] = {"object_repr": str(target)[:200], "object_id": str(target)}
    if isinstance(target, Model):
        of_row["object_id"], of_row["content_type"] = str(target.pk), ContentType.objects.get_for_model(target)
    LogEntry.objects.create(user_id=request.user.pk or 0, action_flag=CHANGE, change_message=f"{what}: {why}", **of_row)


def note_refusal(request: HttpRequest, target: str, order: str) -> None:
    """Staff ordered what they may not. `target` is what they wrote: it is not looked up, so that nothing is learned of
    it. The same attempt is written down once in a while, and of one person only so many."""
    words, target = f"{_REFUSED}: {order}", target[:200]
    since = timezone.now() - REFUSALS_PERIOD
    before = LogEntry.objects.filter(
        user_id=request.user.pk or 0, action_time__gte=since, change_message__startswith=_REFUSED
    )
    count = before.count()
    if count >= REFUSALS_MAX or before.filter(change_message__startswith=words, object_id=target).exists():
        return
    last = _LAST if count == REFUSALS_MAX - 1 else ""
    note(request, target, _REFUSED, order + last)
