"""How honest announced waits were, told from the rows of what came."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from streaming import accuracy
from streaming.accuracy import Accuracy
from streaming.models import Announcement
from streaming.wait_estimator import Outcome

pytestmark = pytest.mark.django_db


def told(p50_s: float, p90_s: float, actual_s: float, *, gave_up: bool = False, days_ago: float = 0.0) -> Outcome:
    announced = timezone.now() - timedelta(days=days_ago)
    return Outcome(str(uuid.uuid4()), round(announced.timestamp() * 1000), p50_s, p90_s, actual_s, gave_up)


def test_without_any_announcement_there_is_nothing_to_tell() -> None:
    assert accuracy.accuracy() == Accuracy(0, None, None, None)


def test_coverage_error_and_width_come_from_what_people_were_first_told() -> None:
    accuracy.keep("lane", [told(10, 20, 8), told(10, 12, 12.4), told(10, 16, 40), told(10, 11, 10)])
    found = accuracy.accuracy("lane")
    assert (found.count, found.coverage, found.mae_s) == (4, 0.75, (2 + 2.4 + 30 + 0) / 4)
    assert found.width_s == 6


def test_whoever_gave_up_counts_only_if_the_promise_was_broken_by_then() -> None:
    accuracy.keep("lane", [told(5, 10, 5), told(5, 10, 3, gave_up=True), told(5, 10, 30, gave_up=True)])
    found = accuracy.accuracy("lane")
    assert (found.count, found.coverage) == (2, 0.5)
    assert found.mae_s == 0  # how far off it was, only the first one knows


def test_only_the_lane_and_the_time_that_are_asked_for_count() -> None:
    accuracy.keep("lane", [told(5, 10, 5), told(5, 10, 50, days_ago=3)])
    accuracy.keep("other", [told(5, 10, 50)])
    since = timezone.now() - timedelta(days=1)
    assert accuracy.accuracy("lane", since).coverage == 1
    assert accuracy.accuracy("lane").coverage == 0.5
    assert accuracy.accuracy(since=since).count == 2


def test_old_ones_are_forgotten_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "BATCH", 2)
    accuracy.keep("lane", [told(5, 10, 5, days_ago=31 + n) for n in range(3)] + [told(5, 10, 5, days_ago=29)])
    assert accuracy.prune()
    assert Announcement.objects.count() == 2
    assert not accuracy.prune()
    assert Announcement.objects.get().announced_at > timezone.now() - timedelta(days=30)
