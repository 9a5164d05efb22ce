"""The simulated headers are the vendors' own, and the engine's reader finds the buckets in them."""

from datetime import UTC, datetime

import pytest

from streaming.lane_limits import Budget, Observation, observations
from tests.simulator.limit_headers import Level, anthropic, duration, openai

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


def test_anthropics_tell_three_buckets_and_the_tightest_of_two() -> None:
    levels = {
        "requests": Level(50, 49.9, 0.12),
        "input-tokens": Level(30_000, 12_345, 35.31),
        "output-tokens": Level(8000, 7900, 0.75),
    }
    headers = anthropic(levels, NOW.timestamp())
    assert headers["anthropic-ratelimit-requests-remaining"] == "49"
    assert headers["anthropic-ratelimit-input-tokens-remaining"] == "12000"
    assert headers["anthropic-ratelimit-input-tokens-reset"] == "2026-11-20T12:00:35Z"
    assert headers["anthropic-ratelimit-tokens-limit"] == "30000"
    assert observations(headers, NOW) == [
        Observation(Budget.REQUESTS, 50, 49),
        Observation(Budget.INPUT, 30_000, 12_000),
        Observation(Budget.OUTPUT, 8000, 8000),
    ]


def test_a_debt_is_told_as_nothing_left() -> None:
    headers = anthropic({"output-tokens": Level(8000, -300, 62)}, NOW.timestamp())
    assert headers["anthropic-ratelimit-output-tokens-remaining"] == "0"


def test_openais_are_the_arithmetic_of_a_header_that_was_seen() -> None:
    """limit 20000, remaining 15482: reset 13.554 s."""
    headers = openai({"requests": Level(5000, 4999, 0.012), "input-tokens": Level(20_000, 15_482, 13.554)}, 0)
    assert headers == {
        "x-ratelimit-limit-requests": "5000",
        "x-ratelimit-remaining-requests": "4999",
        "x-ratelimit-reset-requests": "12ms",
        "x-ratelimit-limit-tokens": "20000",
        "x-ratelimit-remaining-tokens": "15482",
        "x-ratelimit-reset-tokens": "13.554s",
    }
    assert observations(headers, NOW) == [
        Observation(Budget.REQUESTS, 5000, 4999),
        Observation(Budget.INPUT, 20_000, 15_482),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0ms"), (0.0123, "12ms"), (8.64, "8.64s"), (60, "1m0s"), (360, "6m0s"), (61.5, "1m1.5s")]
)
def test_durations_are_spelled_as_go_spells_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
