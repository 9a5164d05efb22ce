"""What people thought of answers, by model: a page of its own, so that the dashboard needs no more queries."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.utils.translation import gettext as _

from chat import ratings
from chatsite.dashboard.charts import Chart, Series
from chatsite.dashboard.history import Span

KEY: Final = "ratings"


def chart(span: Span, now: datetime) -> Chart:
    rated = ratings.by_model(now - timedelta(seconds=span.seconds), now)
    series = [
        Series(_("good"), [one.good for one in rated.values()], "#10b981"),
        Series(_("bad"), [one.bad for one in rated.values()], "#ef4444"),
    ]
    note = _("A rating counts in the time in which it was last changed.")
    title = _("What people thought of answers")
    return Chart(KEY, title, _("ratings"), list(rated), series, _("Model"), "across", is_stacked=True, note=note)
