"""Live answers, lanes and workers: lists that refresh themselves, each with what can be ordered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chatsite.dashboard.rights import VIEW_NUMBERS, page, show
from streaming import site_now
from streaming.models import Generation
from streaming.states import Status

ENDED_BADLY = (Status.FAILED, Status.INTERRUPTED, Status.EXPIRED)
ENDED_SHOWN = 10


NUMBER_MAX_CHARS = 9


def _number(word: str) -> int:
    """What an address may hold; anything else is as if it were not there."""
    return int(word) if word.isdecimal() and len(word) <= NUMBER_MAX_CHARS else 0


@page(VIEW_NUMBERS)
def streams(request: HttpRequest) -> HttpResponse:
    wanted = {name: request.GET.get(name, "") for name in ("lane", "worker", "person")}
    user_id, number = _number(wanted["person"]), _number(request.GET.get("page", ""))
    found = site_now.live_answers(lane=wanted["lane"], worker=wanted["worker"], user_id=user_id)
    shown = site_now.streams(found, number)
    filters = {name: value for name, value in wanted.items() if value}
    first = number * site_now.PAGE
    context: dict[str, Any] = {
        "streams": shown.rows, "count": shown.count, "first": first + 1, "last": first + len(shown.rows),
        "filters": filters, "query": urlencode(filters), "page": number,
        "earlier": number - 1 if number else None,
        "later": number + 1 if first + len(shown.rows) < shown.count else None,
        "ended": _ended_badly(),
    }  # fmt: skip
    return show(request, "streams", _("Live answers"), context)


def _ended_badly() -> list[Generation]:
    """Of late, for those who would ask again."""
    since = timezone.now() - timedelta(hours=1)
    rows = Generation.objects.filter(status__in=ENDED_BADLY, wake_at__gte=since).select_related("user")
    return list(rows.defer("text").order_by("-wake_at")[:ENDED_SHOWN])


@page(VIEW_NUMBERS)
def lanes(request: HttpRequest) -> HttpResponse:
    return show(request, "lanes", _("Lanes"), {"lanes": site_now.lanes_now()})


@page(VIEW_NUMBERS)
def workers(request: HttpRequest) -> HttpResponse:
    return show(request, "workers", _("Workers"), {"workers": site_now.workers()})
