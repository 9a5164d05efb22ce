"""What a waiting row says of its wait, to whoever comes after it was said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from streaming import lifecycle
from streaming.events import Position, Queued
from streaming.lifecycle import Outcome
from streaming.models import Generation
from streaming.states import Status
from tests import engine

pytestmark = pytest.mark.django_db

KEPT = Outcome(Status.QUEUED, "", Position(1, 2))


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.STREAMING = engine.SETTINGS


def row(status: Status, **fields: Any) -> Generation:
    return Generation.objects.get(pk=engine.create_row(status=status, **fields))


def test_a_row_that_was_just_asked_for_starts() -> None:
    assert lifecycle.queued_event(row(Status.QUEUED)).reason == "starting"


def test_a_row_that_is_tried_again_says_why_and_how_long_that_takes_still() -> None:
    retried = row(Status.ADMITTED, attempt=1)
    wait = Queued(generation=str(retried.pk), reason="retrying", message="Slow down.", retry_in_s=3)
    assert lifecycle.requeue(str(retried.pk), 1, KEPT, wait, wake_in_s=60, counts=True)
    retried.refresh_from_db()
    for age_s, left_s in ((0, 3), (1, 2), (9, 0)):
        retried.wait_until = timezone.now() + timedelta(seconds=3 - age_s)
        queued = lifecycle.queued_event(retried)
        assert (queued.generation, queued.reason, queued.message) == (str(retried.pk), "retrying", "Slow down.")
        assert queued.retry_in_s == pytest.approx(left_s, abs=0.2)


def test_a_reaped_row_says_that_another_server_goes_on_until_one_does() -> None:
    lost = row(Status.STREAMING, attempt=1, worker="w")
    assert lifecycle.reap("w") == [str(lost.pk)]
    lost.refresh_from_db()
    queued = lifecycle.queued_event(lost)
    assert (queued.reason, queued.message, queued.retry_in_s) == ("continuing", lifecycle.GOES_ON, None)
    lifecycle.claim(str(lost.pk), "other")
    lost.refresh_from_db()
    assert (lost.wait_reason, lost.wait_message, lost.wait_until) == ("", "", None)
