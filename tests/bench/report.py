"""A benchmark's outcome: figures with their goals and baselines, and how they are printed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. With a goal it holds or is missed; without one it is context."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    #: The same quantity of the baseline, measured in this run.
    baseline: float | None = None

    @property
    def holds(self) -> bool | None:
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.at_least is not None:
            return self.value >= self.at_least
        return None

    def line(self) -> str:
        goal = ""
        if self.at_most is not None or self.at_least is not None:
            sign, limit = ("≤", self.at_most) if self.at_most is not None else ("≥", self.at_least)
            goal = f"goal {sign} {number(limit)}: {'holds' if self.holds else 'MISSED'}"
        baseline = f"baseline {number(self.baseline)}" if self.baseline is not None else ""
        words = "   ".join(word for word in (baseline, goal) if word)
        return f"  {self.what:<58} {number(self.value):>9} {self.unit:<12} {words}".rstrip()


@dataclass(slots=True)
class Result:
    name: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    #: What a reader must know to judge the figures.
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, value: float, unit: str, **more: Any) -> None:
        self.figures.append(Figure(what, value, unit, **more))

    @property
    def holds(self) -> bool:
        return all(figure.holds is not False for figure in self.figures)

    def lines(self) -> list[str]:
        head = f"{self.name}  {self.title}: {'holds' if self.holds else 'MISSED'}"
        return [head, *(figure.line() for figure in self.figures), *(f"  · {note}" for note in self.notes)]

    def as_json(self) -> dict[str, Any]:
        figures = [{**asdict(figure), "holds": figure.holds} for figure in self.figures]
        return {"name": self.name, "title": self.title, "holds": self.holds, "figures": figures, "notes": self.notes}


def number(value: float | None) -> str:
    """Three significant digits; whole numbers from a hundred on, with thousands apart."""
    if value is None or math.isnan(value):
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percentile(values: Sequence[float] | Iterable[float], percent: float) -> float:
    """The smallest value that at least `percent` of them do not exceed; NaN of nothing."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]
