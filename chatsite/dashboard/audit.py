"""The audit trail: who did what to what, and why. Django's own LogEntry, which the admin shows."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest


def note(request: HttpRequest, target: Model | str, what: str, why: str) -> None:
    """`target`: a row, or the name of what has none (a worker)."""
    of_row: dict[str, Any] = {"object_repr": str(target)[:200], "object_id": str(target)}
    if isinstance(target, Model):
        of_row["object_id"], of_row["content_type"] = str(target.pk), ContentType.objects.get_for_model(target)
    LogEntry.objects.create(user_id=request.user.pk or 0, action_flag=CHANGE, change_message=f"{what}: {why}", **of_row)
