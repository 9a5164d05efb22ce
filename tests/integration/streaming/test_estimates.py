"""What a request is expected to use, and what its row says of it from the first moment."""

from __future__ import annotations

from typing import Any

import pytest

from streaming import estimates, lane_tickets, lanes, providers, services
from streaming.models import Attempt, Lane
from tests.engine import SETTINGS, create_row

pytestmark = pytest.mark.django_db

MODEL = {"alias": "scripted", "label": "Scripted", "provider": "demo", "model": "m", "lane": "own", "max_tokens": 2000}


@pytest.fixture(autouse=True)
def _fresh(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STREAMING = SETTINGS | {"models": (MODEL,)}
    monkeypatch.setattr(estimates, "_known", estimates._Known())


def answered(*lengths: int | None, model: str = "scripted") -> None:
    for number, tokens in enumerate(lengths, 1):
        Attempt.objects.create(generation_id=create_row(model=model), number=number, worker="w", output_tokens=tokens)


def guess(input_tokens: int | None = 300) -> estimates.Estimate:
    return estimates.estimate(providers.find("scripted"), input_tokens)


def test_a_model_that_never_answered_is_taken_for_an_ordinary_one() -> None:
    assert guess() == estimates.Estimate(300, 500, 300 + 5 * 500)
    assert guess(None).input_tokens == 1000


def test_a_models_answers_are_expected_to_be_as_long_as_of_late() -> None:
    answered(100, 200, None, 300)
    answered(9000, model="another")
    assert guess() == estimates.Estimate(300, 200, 300 + 5 * 200)


def test_the_look_back_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "LOOKED_AT", 2)
    answered(1000, 10, 20)
    assert guess().output_tokens == 15


def test_rows_are_read_once_a_minute(monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any) -> None:
    guess()
    with django_assert_num_queries(0):
        guess()
    monkeypatch.setattr(estimates, "FRESH_S", 0.0)
    answered(70)
    assert guess().output_tokens == 70


def test_a_provider_that_reserves_is_given_the_most_that_may_come() -> None:
    Lane.objects.create(name="own", charge="reserve_max")
    assert guess() == estimates.Estimate(300 + 2000, 500, 300 + 5 * 500)


def test_a_lanes_row_counts_more_than_the_settings() -> None:
    assert estimates.limits_of("own") == lanes.configured("own")
    Lane.objects.create(name="own", user_queue=3)
    estimates._known.at = float("-inf")
    assert estimates.limits_of("own").user_queue == 3


def test_an_accepted_request_knows_its_lane_and_needs_no_second_look(django_user_model: Any) -> None:
    ann = django_user_model.objects.create(username="ann")
    row = services.request_generation(user_id=ann.pk, model="scripted", input_estimate=300)
    row.refresh_from_db()
    assert (row.lane, row.input_estimate, row.output_estimate, row.lane_cost) == ("own", 300, 500, 2800)
    entry = lane_tickets.take_remembered(str(row.pk))
    assert entry == lane_tickets.entry_of(str(row.pk))
    assert entry is not None
    assert (entry.request.user, entry.request.cost, entry.place) == (str(ann.pk), 2800, None)


def test_a_person_of_more_weight_says_so_to_the_lane(settings: Any, django_user_model: Any) -> None:
    settings.STREAMING = settings.STREAMING | {"user_weight": "tests.integration.streaming.test_estimates.heavy"}
    ann = django_user_model.objects.create(username="ann")
    row = services.request_generation(user_id=ann.pk, model="scripted")
    assert lane_tickets.request_of(row).weight == 3.0


def heavy(user_id: int) -> int:
    return 3


def test_what_was_accepted_for_a_model_that_is_gone_has_no_lane(django_user_model: Any) -> None:
    ann = django_user_model.objects.create(username="ann")
    row = services.request_generation(user_id=ann.pk, model="withdrawn", accepted_before=True)
    assert row.lane == ""
