"""Words of the operators' pages: durations, states, what a lane is like."""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import urlencode

from django import template
from django.contrib.admin.utils import quote
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from streaming import site_now
from streaming.site_now import LaneNow

register = template.Library()
MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400
_STATES: Final = {
    "queued": gettext_lazy("waiting"), "admitted": gettext_lazy("starting"), "streaming": gettext_lazy("answering"),
    "completed": gettext_lazy("completed"), "stopped": gettext_lazy("stopped"), "failed": gettext_lazy("failed"),
    "interrupted": gettext_lazy("interrupted"), "expired": gettext_lazy("waited too long"),
}  # fmt: skip
_WORKERS: Final = {
    "working": gettext_lazy("working"), "resting": gettext_lazy("draining"), "ending": gettext_lazy("shutting down"),
}  # fmt: skip
_CLOSED: Final = {
    "paused": gettext_lazy("The provider asked us to wait."),
    "overloaded": gettext_lazy("The provider is overloaded."),
    "probing": gettext_lazy("The provider was overloaded; one question finds out whether it is back."),
}
_BUDGETS: Final = (
    ("r", gettext_lazy("Requests"), "requests_per_minute"),
    ("i", gettext_lazy("Input tokens"), "input_tokens_per_minute"),
    ("o", gettext_lazy("Output tokens"), "output_tokens_per_minute"),
)


@register.filter
def in_words(sentence: str) -> str:
    """What an error says, in the reader's language if that is one of ours."""
    return _(sentence) if sentence else ""  # the empty one is the catalogue's own header


@register.filter
def duration(seconds: float | None) -> str:
    """Two units at most: 0.4 s, 12 s, 3 min 05 s, 2 h 10 min, 4 d 3 h."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{number_format(seconds, 1)} s"
    whole = round(seconds)
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min {whole % MINUTE_S:02} s"
    if whole < DAY_S:
        return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S} min"
    return f"{whole // DAY_S} d {whole % DAY_S // HOUR_S} h"


@register.filter
def since(moment: float) -> float | None:
    """Seconds since a time of the epoch; 0: it is not known."""
    return max(0.0, time.time() - moment) if moment else None


@register.filter
def state(status: str) -> str:
    return str(_STATES.get(status.lower(), status))


@register.filter
def worker_state(word: str) -> str:
    return str(_WORKERS.get(word, word))


@register.filter
def short_worker(worker: str) -> str:
    """Without the host's domain and the random end: it is in the title."""
    host, _colon, rest = worker.partition(":")
    return f"{host.partition('.')[0]}:{rest.partition(':')[0]}"


@register.filter
def lane_title(name: str) -> str:
    return site_now.lane_titles().get(name, name)


@register.filter
def with_value(name: str, value: str) -> str:
    """A part of an address: `{{ "lane"|with_value:lane }}`."""
    return urlencode({name: value})


@register.filter
def quoted(key: str) -> str:
    """A primary key as the admin's addresses have it."""
    return str(quote(key))


@register.filter
def budgets(lane: LaneNow) -> list[tuple[str, str, int | None]]:
    """(name, limit per minute, per cent used) of the limits that it has."""
    limits = ((name, getattr(lane.row, column), lane.used_percent(letter)) for letter, name, column in _BUDGETS)
    return [(str(name), f"{limit:,.12g}", used) for name, limit, used in limits if limit]


@register.simple_tag
def lane_state(lane: LaneNow) -> tuple[str, str, str]:
    """(for programs, for people, why and until when)"""
    row, levels = lane.row, lane.levels
    if (order := row.hold()) is not None:
        until = _until(row.held_until)
        words = _("paused") if order.kind == "pause" else _("drained")
        if order.kind == "drain" and levels is not None and levels.running:
            words = _("draining")
        return order.kind, words, " ".join(filter(None, (row.held_reason, until)))
    if row.blocked_reason or (levels is not None and levels.blocked):
        return "blocked", _("blocked"), row.blocked_reason or (levels.blocked if levels else "")
    if levels is None:
        return "unknown", _("not known"), _("It cannot be asked just now.")
    if levels.closed:
        again = _("It goes on in %(time)s.") % {"time": duration(levels.closed_s)} if levels.closed_s else ""
        return "closed", _("waits for the provider"), f"{_CLOSED.get(levels.closed, levels.closed)} {again}".strip()
    return "open", _("open"), ""


def _until(moment: Any) -> str:
    if moment is None:
        return ""
    return _("Until %(time)s UTC.") % {"time": date_format(timezone.localtime(moment), "H:i")}
