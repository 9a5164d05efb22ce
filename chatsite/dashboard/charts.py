"""Charts as data: each is drawn by Chart.js, shown as a table and given as CSV from the same columns. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.utils.html import escape
from django.utils.safestring import mark_safe

Value = float | int | str | None
#: Told apart in both schemes, and by those who see red and green alike.
COLORS: Final = ("#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#06b6d4", "#84cc16", "#ec4899", "#94a3b8")
GREY: Final = "#94a3b8"


def _row(row: list[Value]) -> str:
    first, *others = ("–" if cell is None else escape(cell) for cell in row)
    return f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'


def cell(value: Value) -> Value:
    """Of a CSV file: text that a spreadsheet would take for a formula gets a mark in front."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


@dataclass(frozen=True, slots=True)
class Series:
    """One column. `axis` "y1": on the right side. `is_drawn` False: only in the table."""

    label: str
    values: Sequence[Value]
    color: str = ""
    axis: Literal["y", "y1"] = "y"
    kind: Literal["", "line", "bar"] = ""
    is_drawn: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    key: str
    title: str
    #: What a value of the left and of the right axis is.
    unit: str
    labels: Sequence[str]
    series: Sequence[Series]
    #: What the first column holds.
    label: str
    kind: Literal["line", "bar", "across"] = "line"
    is_stacked: bool = False
    note: str = ""
    right_unit: str = ""
    #: Where the axis ends even if nothing reaches it.
    reach: float | None = None

    @property
    def is_empty(self) -> bool:
        """Of what is drawn. Bars of nothing say something, lines of nothing do not."""
        drawn = (value for one in self.series if one.is_drawn for value in one.values)
        return all(value is None if self.kind == "across" else not value for value in drawn)

    @property
    def headers(self) -> list[str]:
        return [self.label, *(one.label for one in self.series)]

    def rows(self) -> Iterator[list[Value]]:
        for label, *values in zip(self.labels, *(one.values for one in self.series), strict=True):
            yield [label, *values]

    def table(self) -> str:
        """Its body; made here because a template takes ten times as long for some thousand cells."""
        return mark_safe("".join(map(_row, self.rows())))

    def csv(self) -> str:
        page = io.StringIO()
        writer = csv.writer(page)
        writer.writerow(self.headers)
        for row in self.rows():
            writer.writerow([cell(value) for value in row])
        return page.getvalue()

    @property
    def type(self) -> str:
        return "line" if self.kind == "line" else "bar"

    def data(self) -> str:
        drawn = [one for one in self.series if one.is_drawn]
        datasets = [self._dataset(one, COLORS[n % len(COLORS)]) for n, one in enumerate(drawn)]
        return json.dumps({"labels": list(self.labels), "datasets": datasets})

    def _dataset(self, one: Series, color: str) -> dict[str, Any]:
        color = one.color or color
        drawn = {
            "label": one.label, "data": list(one.values), "borderColor": color, "backgroundColor": color,
            "borderWidth": 2 if (one.kind or self.type) == "line" else 0, "pointRadius": 0, "pointHitRadius": 8,
            "tension": 0.2, "spanGaps": True,
        }  # fmt: skip
        if one.kind:
            drawn["type"] = one.kind
        if self.right_unit:
            drawn["yAxisID"] = one.axis
        return drawn

    def options(self) -> str:
        grid, ticks = {"color": "rgba(148,163,184,0.2)"}, {"color": GREY, "maxRotation": 0, "autoSkipPadding": 16}
        across = self.kind == "across"
        value = {
            "beginAtZero": True, "suggestedMax": self.reach, "stacked": self.is_stacked, "grid": grid, "ticks": ticks,
            "title": {"display": True, "text": self.unit, "color": GREY},
        }  # fmt: skip
        named = {"stacked": self.is_stacked, "grid": {"display": False}, "ticks": ticks | {"autoSkip": not across}}
        scales: dict[str, Any] = {"x": value if across else named, "y": named if across else value}
        if self.right_unit:
            scales["y1"] = {"beginAtZero": True, "position": "right", "grid": {"display": False}, "ticks": ticks}
            scales["y1"]["title"] = {"display": True, "text": self.right_unit, "color": GREY}
        legend = {"position": "bottom", "labels": {"color": GREY, "boxWidth": 10, "boxHeight": 10}}
        return json.dumps({
            "animation": False, "responsive": True, "maintainAspectRatio": False,
            "indexAxis": "y" if across else "x", "interaction": {"mode": "index", "intersect": False},
            "plugins": {"legend": legend | {"display": len(self.series) > 1}}, "scales": scales,
        })  # fmt: skip
