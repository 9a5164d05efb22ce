"""A person's own usage: what they used today and this month, what is left of their budgets, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET

from chat import budget_notices
from chat.access import id_of
from chat.pages import page, sidebar, wants_data
from chat.usage_words import amount, sentence
from streaming import budget_limits, usage


@dataclass(frozen=True, slots=True)
class Stretch:
    """One table of the page."""

    title: str | Promise
    rows: list[usage.Used]
    whole: usage.Used


@dataclass(frozen=True, slots=True)
class Meter:
    """One budget. `percent` of it is used or held."""

    title: str
    percent: int
    is_short: bool
    used: str
    held: str
    left: str
    whole: str
    renewed: str


@require_GET
@page
def usage_page(request: HttpRequest) -> HttpResponse:
    user_id, now = id_of(request.user), timezone.now().astimezone(UTC)
    if wants_data(request):  # which budgets come to their end
        return JsonResponse({"short": [sentence(share) for share in budget_notices.short_shares(user_id)]})
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    later = now + timedelta(days=1)
    context: dict[str, Any] = {
        "stretches": [
            _stretch(gettext_lazy("Today"), user_id, today, later),
            _stretch(gettext_lazy("This month"), user_id, today.replace(day=1), later),
        ],
        "meters": [_meter(share) for share in budget_limits.shares_of(user_id)],
    }
    return render(request, "chat/usage.html", context | sidebar(request))


def _stretch(title: str | Promise, user_id: int, since: datetime, until: datetime) -> Stretch:
    rows = usage.of_person(user_id, since, until)
    return Stretch(title, rows, usage.total(rows))


def _meter(share: budget_limits.Share) -> Meter:
    return Meter(
        title=sentence(share),
        percent=share.percent,
        is_short=share.is_short,
        used=amount(share.unit, share.used),
        held=amount(share.unit, share.reserved) if share.reserved else "",
        left=amount(share.unit, share.left),
        whole=amount(share.unit, share.whole),
        renewed=gettext("{day}, 00:00 UTC").format(day=date_format(share.limit.ends_at, "j F")),
    )
