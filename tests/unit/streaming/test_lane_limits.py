from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.lane_limits import (
    Budget,
    ChargeMode,
    LaneLimits,
    Observation,
    duration_s,
    exhausted,
    observations,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-01-02T03:04:06Z",
    "anthropic-ratelimit-tokens-limit": "90000",
    "anthropic-ratelimit-tokens-remaining": "1000",
    "anthropic-ratelimit-input-tokens-limit": "50000",
    "anthropic-ratelimit-input-tokens-remaining": "25000",
    "anthropic-ratelimit-input-tokens-reset": "2026-01-02T03:04:35Z",
    "anthropic-ratelimit-output-tokens-limit": "10000",
    "anthropic-ratelimit-output-tokens-remaining": "0",
    "anthropic-ratelimit-output-tokens-reset": "2026-01-02T03:05:05Z",
}


def test_anthropics_headers_show_three_buckets_and_the_most_restrictive_sum_is_left_out() -> None:
    assert observations(ANTHROPIC, NOW) == [
        Observation(Budget.REQUESTS, 50, 49, 60),
        Observation(Budget.INPUT, 50_000, 25_000, 60),
        Observation(Budget.OUTPUT, 10_000, 0, 60),
    ]


def test_openais_headers_show_requests_and_all_tokens() -> None:
    headers = {
        "x-ratelimit-limit-requests": "5000",
        "x-ratelimit-remaining-requests": "4999",
        "x-ratelimit-reset-requests": "12ms",
        "x-ratelimit-limit-tokens": "20000",
        "x-ratelimit-remaining-tokens": "15482",
        "x-ratelimit-reset-tokens": "13.554s",
    }
    assert observations(headers) == [
        Observation(Budget.REQUESTS, 5000, 4999, 60),
        Observation(Budget.INPUT, 20_000, 15_482, 60),
    ]


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "window_s"),
    [
        ("10000", "9999", "8.64s", 86_400),  # requests per day
        ("200", "150", "6h0m0s", 86_400),
        ("60", "59", "1s", 60),
        ("60", "60", "0s", 60),
        ("3600", "3599", "1s", 3600),
        ("60", "30", "7m", 60),  # fits no window: a minute
    ],
)
def test_the_time_to_full_shows_the_window(limit: str, remaining: str, reset: str, window_s: float) -> None:
    headers = {
        "x-ratelimit-limit-requests": limit,
        "x-ratelimit-remaining-requests": remaining,
        "x-ratelimit-reset-requests": reset,
    }
    assert observations(headers)[0].window_s == window_s


def test_a_reset_time_without_a_zone_is_utc_and_one_in_the_past_tells_nothing() -> None:
    for reset in ("2026-01-02T03:04:35", "2020-01-01T00:00:00Z", "soon", ""):
        headers = ANTHROPIC | {"anthropic-ratelimit-input-tokens-reset": reset}
        assert observations(headers, NOW)[1].window_s == 60


@given(st.floats(0.01, 0.99), st.sampled_from([1.0, 60.0, 3600.0, 86_400.0]), st.integers(10, 10**7))
def test_any_window_is_found_from_a_consistent_header(left: float, window_s: float, limit: int) -> None:
    remaining = min(limit - 1, math.floor(limit * left))
    headers = {
        "x-ratelimit-limit-tokens": str(limit),
        "x-ratelimit-remaining-tokens": str(remaining),
        "x-ratelimit-reset-tokens": f"{(limit - remaining) / limit * window_s:.9f}s",
    }
    assert observations(headers) == [Observation(Budget.INPUT, limit, remaining, window_s)]


@given(
    st.dictionaries(
        st.sampled_from([*sorted(ANTHROPIC), "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens"]), st.text()
    )
)
def test_no_header_can_break_it(headers: dict[str, str]) -> None:
    for seen in observations(headers, NOW):
        assert seen.limit > 0
        assert 0 <= seen.remaining <= seen.limit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360), ("8.64s", 8.64), ("12ms", 0.012), ("1h2m3.5s", 3723.5), ("2d", 172_800), ("30", 30)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "1s!", "1 s", "1y", "nan", "1e9s"])
def test_what_is_no_duration(text: str) -> None:
    assert duration_s(text) is None


@given(st.timedeltas(timedelta(0), timedelta(days=2)))
def test_a_duration_survives_being_written(span: timedelta) -> None:
    seconds = round(span.total_seconds(), 3)
    text = f"{int(seconds // 3600)}h{int(seconds % 3600 // 60)}m{seconds % 60:.3f}s"
    assert duration_s(text) == pytest.approx(seconds, abs=0.01)


def test_an_empty_budget_explains_a_refusal() -> None:
    assert exhausted(observations(ANTHROPIC, NOW)) is Budget.OUTPUT
    assert exhausted([Observation(Budget.REQUESTS, 50, 3)]) is None
    assert exhausted([]) is None


def test_limits_become_buckets_with_a_burst_of_some_seconds() -> None:
    limits = LaneLimits(requests_per_minute=60, input_tokens_per_minute=6000, burst_s=10, pace=0.5)
    fields = limits.fields()
    assert (fields["r"], fields["i"], fields["o"]) == ("60 0.5 10", "6000 50 1000", "")


def test_a_bucket_holds_at_least_one_request() -> None:
    assert LaneLimits(requests_per_minute=2).fields()["r"].split()[2] == "1"


def test_a_limit_that_is_not_set_removes_what_was_set() -> None:
    fields = LaneLimits(user_concurrency=None, concurrency=None, charge=ChargeMode.RESERVE_MAX).fields()
    assert (fields["conc"], fields["user_conc"], fields["reserve_max"]) == ("", "", "1")


def test_the_digest_changes_with_any_limit_and_only_then() -> None:
    assert LaneLimits().digest() == LaneLimits().digest()
    assert LaneLimits().digest() != LaneLimits(concurrency=3).digest()
