from __future__ import annotations

import pytest

from streaming.errors import ProviderError, ProviderOverloaded, ProviderRateLimited
from streaming.oversize import TRIES, TooLarge, judge

LIMIT = 30_000
ANTHROPIC = {
    "anthropic-ratelimit-input-tokens-limit": str(LIMIT),
    "anthropic-ratelimit-input-tokens-remaining": str(LIMIT),
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
}
OPENAI = {"x-ratelimit-limit-tokens": str(LIMIT), "x-ratelimit-remaining-tokens": "29000"}


def refused(headers: dict[str, str], kind: type[ProviderError] = ProviderRateLimited) -> ProviderError:
    error = kind(retry_after_s=60.0)
    error.headers = headers
    return error


@pytest.mark.parametrize("headers", [ANTHROPIC, OPENAI])
def test_what_is_larger_than_the_limit_and_was_refused_twice_is_not_asked_again(headers: dict[str, str]) -> None:
    error = refused(headers)
    judged = judge(error, LIMIT + 1, TRIES)
    assert isinstance(judged, TooLarge)
    assert (judged.code, judged.retryable, judged.headers) == ("context_too_long", False, headers)


@pytest.mark.parametrize(
    ("error", "tokens", "tries"),
    [
        (refused(ANTHROPIC), LIMIT + 1, TRIES - 1),
        (refused(ANTHROPIC), LIMIT, TRIES),
        (refused({}), LIMIT + 1, TRIES),
        (refused({"anthropic-ratelimit-requests-limit": "50"}), LIMIT + 1, TRIES),
        (refused({"anthropic-ratelimit-input-tokens-limit": "many"}), LIMIT + 1, TRIES),
        (refused(ANTHROPIC, ProviderOverloaded), LIMIT + 1, TRIES),
    ],
    ids=["once", "fits", "no word of limits", "another limit", "no number", "another refusal"],
)
def test_anything_else_stays_what_it_was(error: ProviderError, tokens: int, tries: int) -> None:
    assert judge(error, tokens, tries) is error
