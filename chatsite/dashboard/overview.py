"""The dashboard: tiles of now, charts of the last hour, day or week; every chart is a table and a file as well."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chatsite.dashboard import history, opinions
from chatsite.dashboard.charts import Chart
from chatsite.dashboard.history import SPANS, Span
from chatsite.dashboard.rights import VIEW_NUMBERS, page, show
from streaming import site_now

TITLES: Final = {"1h": _("1 hour"), "24h": _("24 hours"), "7d": _("7 days")}


def home(request: HttpRequest) -> HttpResponse:
    """Where "Administration" leads: to the dashboard, or, for staff who see no numbers, to what they may see."""
    if admin.site.has_permission(request) and request.user.has_perm(VIEW_NUMBERS):
        return redirect("operations:dashboard")
    return admin.site.admin_view(admin.site.index)(request)


@page(VIEW_NUMBERS)
def dashboard(request: HttpRequest) -> HttpResponse:
    return _page(request, _("Dashboard"), _all_charts)


@page(VIEW_NUMBERS)
def rated(request: HttpRequest) -> HttpResponse:
    """What people thought of answers."""
    return _page(request, _("Ratings"), lambda span, now: [opinions.chart(span, now)])


def _page(request: HttpRequest, title: Any, charts: Callable[[Span, datetime], list[Chart]]) -> HttpResponse:
    part = request.GET.get("part")
    if part == "charts":  # dashboard.js, every minute
        return TemplateResponse(request, "operations/dashboard_charts.html", _around(request, charts))
    tiles = {"tiles": site_now.tiles()}
    if part is not None:  # every three seconds, by everybody who looks: one query
        return show(request, "dashboard", "", tiles)
    return show(request, "dashboard", title, tiles | _around(request, charts))


def _all_charts(span: Span, now: datetime) -> list[Chart]:
    return history.charts(history.look_back(span, now))


def _around(request: HttpRequest, charts: Callable[[Span, datetime], list[Chart]]) -> dict[str, Any]:
    span, now = _span(request), timezone.now()
    spans = [(one.key, TITLES[one.key]) for one in SPANS.values()]
    return {"spans": spans, "span": span.key, "charts": charts(span, now), "made_at": now}


@page(VIEW_NUMBERS)
def csv_file(request: HttpRequest, key: str) -> HttpResponse:
    span = _span(request)
    now = timezone.now()
    for chart in [opinions.chart(span, now)] if key == opinions.KEY else history.charts(history.look_back(span, now)):
        if chart.key == key:
            headers = {"Content-Disposition": f'attachment; filename="{key}-{span.key}.csv"'}
            return HttpResponse(chart.csv(), content_type="text/csv; charset=utf-8", headers=headers)
    raise Http404


def _span(request: HttpRequest) -> Span:
    return SPANS.get(request.GET.get("span", ""), SPANS["1h"])
