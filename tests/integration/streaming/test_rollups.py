"""What is added up from the ledger: the same however often, late and by whom it is done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from streaming import conf, figures, rollups
from streaming.models import Attempt, LoadRollup, UsageRollup, UserRollup

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
numbers = count(1)


@pytest.fixture(autouse=True)
def afternoon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(hours=2))


def person(name: str = "ann") -> Any:
    return get_user_model().objects.get_or_create(username=name)[0]


def ended(after_s: float, user: str = "ann", **columns: Any) -> Attempt:
    """An attempt that ended so long after noon."""
    values = {"model": "large", "provider": "openai", "lane": "openai:large", "outcome": "completed"}
    at = NOON + timedelta(seconds=after_s)
    return Attempt.objects.create(number=next(numbers), worker="w", user=person(user), ended_at=at, **values | columns)


def minutes() -> dict[str, UsageRollup]:
    return {f"{row.start:%H:%M} {row.model}": row for row in UsageRollup.objects.filter(span_s=60)}


def test_an_attempt_counts_in_the_minute_of_its_end() -> None:
    ended(59.9, input_tokens=10, output_tokens=5, cached_tokens=3, cost_micro=70, ttft_ms=120, waited_ms=20)
    ended(30, outcome="stopped", input_tokens=1, output_tokens=1)
    ended(60, model="small", outcome="lost")
    Attempt.objects.create(number=9, worker="w")  # it still runs
    assert rollups.roll_up() == 3
    found = minutes()
    assert sorted(found) == ["12:00 large", "12:01 small"]
    row = found["12:00 large"]
    assert (row.completed, row.stopped, row.lost) == (1, 1, 0)
    assert (row.input_tokens, row.output_tokens, row.cached_tokens, row.cost_micro, row.unpriced) == (11, 6, 3, 70, 1)
    assert (sum(row.ttft), sum(row.waited), sum(row.handoff)) == (1, 1, 0)
    assert found["12:01 small"].unpriced == 0  # nothing was used: nothing has to be priced


def test_doing_it_again_changes_nothing() -> None:
    ended(1, input_tokens=10, output_tokens=5)
    rollups.roll_up()
    before = list(UsageRollup.objects.order_by("pk").values())
    assert rollups.roll_up() == 0
    Attempt.objects.update(in_rollup=False)  # another holder, which does not know that it was done
    assert rollups.roll_up() == 1
    assert list(UsageRollup.objects.order_by("pk").values()) == before


def test_a_late_attempt_is_counted_in_its_own_time() -> None:
    ended(1, output_tokens=5)
    rollups.roll_up()
    ended(2, output_tokens=7)
    rollups.roll_up()
    assert minutes()["12:00 large"].output_tokens == 12
    assert UsageRollup.objects.get(span_s=3600).output_tokens == 12
    assert UserRollup.objects.get().output_tokens == 12


def test_a_correction_replaces_what_was_counted() -> None:
    attempt = ended(1, output_tokens=5, outcome="lost")
    rollups.roll_up()
    Attempt.objects.filter(pk=attempt.pk).update(output_tokens=50, in_rollup=False)
    rollups.roll_up()
    assert minutes()["12:00 large"].output_tokens == 50
    assert (minutes()["12:00 large"].lost, UserRollup.objects.get().attempts) == (1, 1)


def test_people_are_counted_by_hour_and_model() -> None:
    ended(1, "ann", output_tokens=5)
    ended(1900, "ann", output_tokens=5, cost_micro=3)
    ended(1, "bob", output_tokens=9, model="small")
    ended(3600, "bob", output_tokens=1)
    rollups.roll_up()
    rows = UserRollup.objects.order_by("start", "user__username")
    assert [(row.user.get_username(), row.model, row.attempts, row.output_tokens, row.unpriced) for row in rows] == [
        ("ann", "large", 2, 10, 1),
        ("bob", "small", 1, 9, 1),
        ("bob", "large", 1, 1, 1),
    ]
    most = figures.use_by_person(NOON, NOON + timedelta(hours=2))
    assert [(use.user_id, use.attempts, use.output_tokens) for use in most] == [
        (person("ann").pk, 2, 10),
        (person("bob").pk, 2, 10),
    ]


def test_it_takes_up_many_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "PORTION", 2)
    for _ in range(5):
        ended(1, output_tokens=1)
    assert [rollups.roll_up() for _ in range(4)] == [2, 2, 1, 0]
    assert minutes()["12:00 large"].output_tokens == 5


def test_what_the_settings_do_not_keep_is_dropped_and_a_later_attempt_still_counts_in_its_hour(settings: Any) -> None:
    settings.STREAMING = {"rollup_minutes_days": 1, "rollup_hours_days": 3}
    for days in (0, 2, 5):
        ended(-days * 86_400, output_tokens=1)
        LoadRollup.objects.create(start=NOON - timedelta(days=days))
    assert conf.get().rollup_minutes_days == 1
    rollups.roll_up()
    assert [(row.span_s, (NOON - row.start).days) for row in UsageRollup.objects.order_by("span_s", "-start")] == [
        (60, 0),
        (3600, 0),
        (3600, 2),
        (3600, 5),
    ]
    while rollups.prune():
        pass
    assert sorted(UsageRollup.objects.values_list("span_s", flat=True)) == [60, 3600, 3600]
    assert LoadRollup.objects.count() == 1
    assert UserRollup.objects.count() == 2
    ended(-2 * 86_400 + 5, output_tokens=8)
    rollups.roll_up()
    assert UsageRollup.objects.get(start=NOON - timedelta(days=2)).output_tokens == 9


def test_figures_have_a_slot_for_every_stretch_and_the_same_sums_from_minutes_and_hours() -> None:
    for after_s, wait in ((10, 40), (70, 4_000), (3_700, 90)):
        ended(after_s, output_tokens=1, ttft_ms=wait, cost_micro=2)
    rollups.roll_up()
    until = NOON + timedelta(hours=2)
    by_minute = figures.use_over_time(NOON, until, 60)
    assert len(by_minute) == 120
    assert [slot.output_tokens for slot in by_minute[:3]] == [1, 1, 0]
    by_hour = figures.use_over_time(until - timedelta(days=7), until, 3600)
    assert len(by_hour) == 168
    assert figures.total(by_minute) == figures.total(by_hour)
    assert figures.total(by_hour).percentile_ms("ttft", 0.5) == 75
    assert figures.use_by("model", NOON, until) == {"large": figures.total(by_minute)}
    assert figures.use_over_time(NOON, until, 60, model="small")[0].attempts == 0


def test_load_keeps_the_highest_peak_and_the_sum_of_counts() -> None:
    for minute, peak in enumerate((3, 9, 4)):
        start = NOON + timedelta(minutes=minute)
        LoadRollup.objects.create(start=start, peak_running=peak, resumes=2)
        LoadRollup.objects.create(start=start, lane="one", peak_waiting=peak)
    (slot,) = figures.load_over_time(NOON, NOON + timedelta(minutes=10), 600)
    assert (slot.peak_running, slot.peak_waiting, slot.resumes) == (9, 0, 6)
    (slot,) = figures.load_over_time(NOON, NOON + timedelta(minutes=10), 600, lane="one")
    assert (slot.peak_waiting, slot.resumes) == (9, 0)


@pytest.mark.parametrize("span_s", [60, 3600, 86_400])
def test_a_floor_is_the_start_of_its_stretch(span_s: int) -> None:
    at = rollups.floor(NOON + timedelta(hours=5, seconds=123.4), span_s)
    assert at.timestamp() % span_s == 0
    assert at <= NOON + timedelta(hours=5, seconds=123.4) < at + timedelta(seconds=span_s)
