"""The charts of the dashboard, from what was added up of the past. Everything is read once, in six queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.core.cache import cache
from django.utils.translation import gettext as _

from chatsite.dashboard.charts import Chart, Series
from streaming import accuracy, figures, site_now
from streaming.accuracy import Accuracy
from streaming.figures import LoadSlot, PersonUse, Use, UseSlot
from streaming.site_now import LaneNow

PERCENTILES: Final = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
#: Shares of announced waits that should end within the promise: the goal of the lanes (README of streaming).
KEPT_GOAL: Final = 0.85
PEOPLE_SHOWN: Final = 15
PEOPLE_VALID_S: Final = 60
_MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that ends now, in slots of `step_s`."""

    key: str
    seconds: int
    step_s: int
    clock: str


SPANS: Final = {
    span.key: span
    for span in (
        Span("1h", 3600, 60, "%H:%M"),
        Span("24h", 86_400, 3600, "%H:%M"),
        Span("7d", 7 * 86_400, 3 * 3600, "%a %H:%M"),
    )
}


@dataclass(frozen=True, slots=True)
class Past:
    span: Span
    slots: Sequence[UseSlot]
    models: dict[str, Use]
    people: Sequence[PersonUse]
    load: Sequence[LoadSlot]
    estimates: dict[str, Accuracy]
    lanes: Sequence[LaneNow]

    @property
    def times(self) -> list[str]:
        return [slot.start.strftime(self.span.clock) for slot in self.slots]


def look_back(span: Span, now: datetime) -> Past:
    since = now - timedelta(seconds=span.seconds)
    slots, models = figures.use_over_time_and_by_model(since, now, span.step_s)
    load = figures.load_over_time(since, now, span.step_s)
    return Past(span, slots, models, _people(span, now), load, accuracy.by_lane(since), site_now.lanes_now())


def _people(span: Span, now: datetime) -> list[PersonUse]:
    """A week of many people is a quarter of a million rows: each process reads them once a minute."""

    def read() -> list[PersonUse]:
        return figures.use_by_person(now - timedelta(seconds=span.seconds), now, PEOPLE_SHOWN)

    return cache.get_or_set(f"operations.people.{span.key}", read, PEOPLE_VALID_S) or []


def charts(past: Past) -> list[Chart]:
    return [make(past) for make in CHARTS]


def _seconds(slots: Iterable[UseSlot], wait: str, share: float) -> list[float | None]:
    waits = (slot.percentile_ms(wait, share) for slot in slots)
    return [None if ms is None else round(ms / 1000, 3) for ms in waits]


def _first_text(past: Past) -> Chart:
    series = [Series(name, _seconds(past.slots, "ttft", share)) for share, name in PERCENTILES]
    return Chart("first-text", _("Time to first text"), _("seconds"), past.times, series, _("Time (UTC)"))


def _parts(past: Past) -> Chart:
    """Whose fault slowness is: ours, the line's or the provider's."""
    parts = (("waited", _("waiting in the lane")), ("handoff", _("hand-off")), ("provider_wait", _("provider")))
    series = [
        Series(f"{name} {label}", _seconds(past.slots, wait, share), is_drawn=label == "p95")
        for wait, name in parts
        for share, label in PERCENTILES
    ]
    note = _("Drawn: the 95th percentile of each part. The table has all of them.")
    title = _("What the time to first text is made of")
    return Chart("first-text-parts", title, _("seconds"), past.times, series, _("Time (UTC)"), note=note)


def _queue(past: Past) -> Chart:
    series = [
        Series(_("waiting at most"), [slot.peak_waiting for slot in past.load], kind="bar"),
        Series(_("running at most"), [slot.peak_running for slot in past.load], kind="line"),
        Series(_("wait p95, seconds"), _seconds(past.slots, "waited", 0.95), axis="y1", kind="line"),
    ]
    return Chart("queue", _("Queue and waits"), _("answers"), past.times, series, _("Time (UTC)"), "bar",
                 right_unit=_("seconds"))  # fmt: skip


def _outcomes(past: Past) -> Chart:
    names = (
        ("completed", _("completed"), "#10b981"), ("stopped", _("stopped"), "#94a3b8"),
        ("retried", _("tried again"), "#f59e0b"), ("lost", _("lost with a worker"), "#8b5cf6"),
        ("interrupted", _("interrupted"), "#ec4899"), ("expired", _("waited too long"), "#06b6d4"),
        ("failed", _("failed"), "#ef4444"),
    )  # fmt: skip
    series = [Series(label, [slot.outcomes[name] for slot in past.slots], color) for name, label, color in names]
    return Chart("outcomes", _("How attempts ended"), _("attempts"), past.times, series, _("Time (UTC)"), "bar",
                 is_stacked=True)  # fmt: skip


def _dollars(micro: int) -> float:
    return round(micro / _MICRO, 4)


def _used(key: str, title: str, label: str, uses: Sequence[tuple[str, Use | PersonUse]]) -> Chart:
    def column(of: Callable[[Use | PersonUse], float | int]) -> list[float | int]:
        return [of(use) for _name, use in uses]

    series = [
        Series(_("input tokens"), column(lambda use: use.input_tokens)),
        Series(_("output tokens"), column(lambda use: use.output_tokens)),
        Series(_("of them cached"), column(lambda use: use.cached_tokens), is_drawn=False),
        Series(_("cost, US dollars"), column(lambda use: _dollars(use.cost_micro)), is_drawn=False),
        Series(_("attempts without a price"), column(lambda use: use.unpriced), is_drawn=False),
        Series(_("attempts"), column(lambda use: use.attempts), is_drawn=False),
    ]
    return Chart(key, title, _("tokens"), [name for name, _use in uses], series, label, "across", is_stacked=True)


def _cost(key: str, title: str, label: str, uses: Sequence[tuple[str, Use | PersonUse]]) -> Chart:
    unpriced = sum(use.unpriced for _name, use in uses)
    note = _("%(count)s attempts have no known price and are not in it.") % {"count": unpriced} if unpriced else ""
    series = [Series(_("cost, US dollars"), [_dollars(use.cost_micro) for _name, use in uses])]
    names = [name for name, _use in uses]
    return Chart(key, title, _("US dollars"), names, series, label, "across", note=note)


def _of_models(past: Past) -> Sequence[tuple[str, Use | PersonUse]]:
    return list(past.models.items())


def _of_people(past: Past) -> Sequence[tuple[str, Use | PersonUse]]:
    return [(person.name, person) for person in past.people]


def _tokens_by_model(past: Past) -> Chart:
    return _used("tokens-by-model", _("Tokens by model"), _("Model"), _of_models(past))


def _cost_by_model(past: Past) -> Chart:
    return _cost("cost-by-model", _("Cost by model"), _("Model"), _of_models(past))


def _tokens_by_person(past: Past) -> Chart:
    return _used("tokens-by-person", _("Tokens by person"), _("Person"), _of_people(past))


def _cost_by_person(past: Past) -> Chart:
    return _cost("cost-by-person", _("Cost by person"), _("Person"), _of_people(past))


def _delivery(past: Past) -> Chart:
    names = (
        ("resumes", _("resumed")), ("gaps_healed", _("gaps healed")), ("slow_clients", _("slow clients closed")),
        ("shed", _("questions refused")),
    )  # fmt: skip
    series = [Series(label, [getattr(slot, name) for slot in past.load]) for name, label in names]
    return Chart("delivery", _("Delivery to browsers"), _("events"), past.times, series, _("Time (UTC)"))


def _budgets(past: Past) -> Chart:
    """How much of what a provider allows is used up just now."""
    letters = (("r", _("requests")), ("i", _("input tokens")), ("o", _("output tokens")))
    lanes = [lane for lane in past.lanes if lane.levels is not None]
    series = [Series(label, [lane.used_percent(letter) for lane in lanes]) for letter, label in letters]
    names = [lane.title for lane in lanes]
    note = _("Just now. A lane without a limit has no bar.")
    title = _("Provider's allowance used")
    return Chart("provider-budget", title, _("per cent"), names, series, _("Lane"), "across", note=note, reach=100)


def _estimates(past: Past) -> Chart:
    told = past.estimates
    series = [
        Series(_("kept, per cent"), [_percent(one.coverage) for one in told.values()]),
        Series(_("goal, per cent"), [round(100 * KEPT_GOAL)] * len(told), "#94a3b8"),
        Series(_("mean error, seconds"), [_tenths(one.mae_s) for one in told.values()], is_drawn=False),
        Series(_("p90 minus p50, seconds"), [_tenths(one.width_s) for one in told.values()], is_drawn=False),
        Series(_("announced waits"), [one.count for one in told.values()], is_drawn=False),
    ]
    title, lanes = _("Announced waits that were kept (p90)"), site_now.lane_titles()
    names = [lanes.get(name, name) for name in told]
    return Chart("estimates", title, _("per cent"), names, series, _("Lane"), "across", reach=100)


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _tenths(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


CHARTS: Final[tuple[Callable[[Past], Chart], ...]] = (
    _first_text, _parts, _queue, _outcomes, _tokens_by_model, _cost_by_model, _tokens_by_person, _cost_by_person,
    _delivery, _budgets, _estimates,
)  # fmt: skip
