from datetime import UTC, datetime

import pytest

from streaming import errors
from streaming.errors import ProviderError
from streaming.providers import anthropic, openai
from streaming.providers.refusals import (
    RETRY_AFTER_MAX_S,
    STATUS_CODES,
    VERDICTS,
    harmless,
    limit_headers,
    refusal,
    retry_after_s,
)
from streaming.providers.refusals import status_code as code_of

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "Fri, 20 Nov 2026 12:01:30 GMT"}, 90.0),
        ({"retry-after": "Fri, 20 Nov 2026 12:01:30 -0000"}, 90.0),
        ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "99999999999"}, RETRY_AFTER_MAX_S),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Fri, 99 Nov 2026 99:00:00 GMT"}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after": "2", "retry-after-ms": "1500"}, 2.0),
    ],
)
def test_retry_after_is_read_in_all_its_spellings_and_never_trusted(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_s(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (301, "redirected"),
        (307, "redirected"),
        (400, "bad_request"),
        (401, "bad_key"),
        (402, "spend_limit"),
        (403, "not_permitted"),
        (404, "model_not_found"),
        (405, "bad_request"),
        (408, "provider_timeout"),
        (409, "provider_failed"),
        (413, "context_too_long"),
        (422, "bad_request"),
        (429, "rate_limited"),
        (500, "provider_failed"),
        (502, "provider_failed"),
        (503, "overloaded"),
        (504, "provider_failed"),
        (529, "overloaded"),
    ],
)
def test_every_status_has_a_code(status: int, code: str) -> None:
    assert code_of(status) == code


def test_all_tables_lead_to_a_verdict() -> None:
    codes = {*STATUS_CODES.values(), *anthropic.WORDS.values(), *anthropic.SENTENCES.values(), *openai.WORDS.values()}
    assert codes <= VERDICTS.keys()


@pytest.mark.parametrize(("code", "verdict"), VERDICTS.items())
def test_each_code_is_a_sentence_and_a_decision(code: str, verdict: tuple[type[errors.ProviderError], str]) -> None:
    error = refusal(code)
    assert type(error) is verdict[0]
    assert error.code == code
    assert error.message.endswith(".")
    assert error.retryable is (not isinstance(error, errors.ProviderRejected | errors.ProviderSpendLimit))


def test_a_wait_is_only_said_where_waiting_helps() -> None:
    headers = {"retry-after": "3"}
    assert refusal("rate_limited", headers).retry_after_s == 3.0
    assert refusal("bad_key", headers).retry_after_s is None
    assert refusal("spend_limit", headers).retry_after_s is None


def test_only_headers_about_rate_limits_are_kept_and_their_names_are_in_lower_case() -> None:
    headers = {"X-RateLimit-Remaining-Requests": "4", "anthropic-ratelimit-requests-limit": "50", "set-cookie": "a=b"}
    kept = {"x-ratelimit-remaining-requests": "4", "anthropic-ratelimit-requests-limit": "50"}
    assert limit_headers(headers) == kept
    assert refusal("overloaded", headers).headers == kept
    assert refusal("overloaded").headers == ProviderError().headers == {}


@pytest.mark.parametrize("word", ["sk-abc def", "a\nb", "x" * 65, "", None, 7, {"a": 1}, "ключ"])
def test_only_short_plain_words_of_a_vendor_reach_the_log(word: object) -> None:
    assert harmless(word) == ""


def test_a_plain_word_is_harmless() -> None:
    assert harmless("rate_limit_exceeded") == "rate_limit_exceeded"
