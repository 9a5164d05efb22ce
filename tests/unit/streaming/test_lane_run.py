"""What a provider's answer means for its lane: decisions without a lane."""

from __future__ import annotations

import pytest

from streaming.endings import Draining
from streaming.errors import (
    Fenced,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnavailable,
    StreamingError,
)
from streaming.lane_limits import Budget
from streaming.lane_run import Parting, penalty_of, told, used_of
from streaming.lane_values import Penalty, Used
from streaming.providers.base import Usage
from streaming.retry import Retry


def half() -> float:
    return 0.5


def limited(retry_after_s: float | None = 20.0, **remaining: int) -> ProviderRateLimited:
    error = ProviderRateLimited(retry_after_s=retry_after_s)
    error.headers = {
        f"anthropic-ratelimit-{name.replace('_', '-')}-{part}": str(value)
        for name, left in remaining.items()
        for part, value in (("limit", 1000), ("remaining", left))
    }
    return error


def test_cached_input_is_free_and_output_weighs_five_times() -> None:
    assert used_of(Usage(500, 70, 100)) == Used(400, 70, 400 + 350)


@pytest.mark.parametrize(
    ("error", "penalty"),
    [
        (None, Penalty()),
        (limited(), Penalty("limit", 20.0, 0.8, 0.25)),
        (limited(None), Penalty("limit", None, 0.8, 0.25)),
        (limited(0.0), Penalty("limit", None, 0.8, 0.25)),
        (limited(0.02), Penalty("limit", 0.5, 0.8, 0.25)),  # one that does not count must not come again at once
        (limited(requests=0, input_tokens=900), Penalty("limit", 20.0, 1.0, 0.25, Budget.REQUESTS)),
        (limited(requests=900), Penalty("limit", 20.0, 0.8, 0.25)),
        (ProviderOverloaded(retry_after_s=7.0), Penalty("overload", 7.0, 1.0, 0.25)),
        (ProviderOverloaded(), Penalty("overload", None, 1.0, 0.25)),
        (ProviderUnavailable(), Penalty()),
        (Draining(), Penalty()),
        (Fenced(), Penalty()),
    ],
)
def test_a_refusal_closes_the_lane_as_the_provider_said(error: StreamingError | None, penalty: Penalty) -> None:
    assert penalty_of(error, half) == penalty


@pytest.mark.parametrize(
    ("parting", "rests_s"),
    [
        (Parting(), 0.0),
        (Parting(limited(), Retry(20.5, counts=False)), 0.0),
        (Parting(ProviderOverloaded(), Retry(0.4, counts=True)), 0.0),
        (Parting(ProviderUnavailable(), Retry(0.4, counts=True)), 0.4),
        (Parting(Draining(), Retry(0.0, counts=False)), 0.0),
    ],
)
def test_only_what_concerns_nobody_else_waits_by_itself(parting: Parting, rests_s: float) -> None:
    assert parting.rests_s == rests_s


@pytest.mark.parametrize(
    ("error", "message", "retry_in_s"),
    [
        (limited(19.2), "The model's provider asked us to wait 20 s.", 0.4),
        (limited(None), ProviderRateLimited.message, None),
        (ProviderOverloaded(), ProviderOverloaded.message, None),
        (ProviderOverloaded(retry_after_s=7.0), ProviderOverloaded.message, 0.4),
        (ProviderUnavailable(), ProviderUnavailable.message, 0.4),
    ],
)
def test_people_hear_when_only_if_somebody_knows(error: ProviderError, message: str, retry_in_s: float | None) -> None:
    event = told(error, Retry(0.41, counts=True), "some-id", "retrying")
    assert (event.generation, event.reason, event.message, event.retry_in_s) == (
        "some-id", "retrying", message, retry_in_s,
    )  # fmt: skip
