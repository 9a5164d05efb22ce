from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import errors
from streaming.errors import ProviderError, ProviderOverloaded, ProviderRateLimited, ProviderRejected
from streaming.retry import Retry, RetryPolicy

POLICY = RetryPolicy(tries_max=3, base_s=0.5, max_s=20.0)


def most() -> float:
    return 1.0


@pytest.mark.parametrize("tries", [0, 1])
def test_a_failure_that_may_pass_is_tried_again(tries: int) -> None:
    assert POLICY.decide(ProviderOverloaded(), tries, most) == Retry(0.5 * 2**tries, counts=True)


def test_the_last_try_is_the_last() -> None:
    assert POLICY.decide(ProviderOverloaded(), 2, most) is None
    assert POLICY.decide(ProviderOverloaded(retry_after_s=1.0), 2, most) is None
    assert POLICY.decide(ProviderRateLimited(), 2, most) is None


@pytest.mark.parametrize("error", [errors.ProviderSpendLimit(), ProviderRejected(), ProviderError()])
def test_what_stays_wrong_is_not_tried_again(error: ProviderError) -> None:
    assert POLICY.decide(error, 0, most) is None


@pytest.mark.parametrize("tries", [0, 2, 50])
def test_a_429_that_says_when_to_come_back_does_not_count(tries: int) -> None:
    assert POLICY.decide(ProviderRateLimited(retry_after_s=7.0), tries, lambda: 0.0) == Retry(7.0, counts=False)


def test_a_provider_that_wants_a_longer_wait_is_not_waited_for() -> None:
    assert POLICY.decide(ProviderRateLimited(retry_after_s=3600.0), 0, most) is None


@pytest.mark.parametrize("asked", [0.0, 0.001])
def test_tries_that_do_not_count_have_a_pause_between_them(asked: float) -> None:
    retry = POLICY.decide(ProviderRateLimited(retry_after_s=asked), 0, lambda: 0.0)
    assert retry is not None
    assert retry.wait_s >= POLICY.base_s


@given(st.floats(0, 120), st.floats(0, 1))
def test_nobody_comes_back_earlier_than_asked(asked: float, chance: float) -> None:
    retry = POLICY.decide(ProviderOverloaded(retry_after_s=asked), 0, lambda: chance)
    assert retry is not None
    assert asked <= retry.wait_s <= max(asked, POLICY.base_s) + 1


@given(st.integers(0, 60), st.floats(0, 1))
def test_the_wait_is_jittered_up_to_a_maximum(tries: int, chance: float) -> None:
    retry = RetryPolicy(tries_max=100, base_s=0.5, max_s=20.0).decide(ProviderOverloaded(), tries, lambda: chance)
    assert retry is not None
    assert 0 <= retry.wait_s <= min(20.0, 0.5 * 2**tries)
