"""From a vendor's "no" to our tree of errors: one table of sentences, one of HTTP statuses.

A vendor's module brings a third table, from the vendor's words to the codes here. The vendor's own text is never shown
and never logged: it can quote the prompt or a part of the key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from streaming.errors import (
    ProviderError,
    ProviderGarbled,
    ProviderIncomplete,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRejected,
    ProviderSpendLimit,
    ProviderTimeout,
    ProviderUnavailable,
)

#: A vendor may say any number; nothing of ours waits longer than a day.
RETRY_AFTER_MAX_S = 86_400.0

#: Anthropic's; OpenAI's, which most servers like it send too.
LIMIT_PREFIXES = ("anthropic-ratelimit-", "x-ratelimit-")


class Verdict(NamedTuple):
    """`message` None: the class's own sentence."""

    kind: type[ProviderError]
    message: str | None = None


#: Our code → class and sentence.
VERDICTS: dict[str, Verdict] = {
    "rate_limited": Verdict(ProviderRateLimited),
    "spend_limit": Verdict(ProviderSpendLimit),
    "overloaded": Verdict(ProviderOverloaded),
    "provider_unavailable": Verdict(ProviderUnavailable),
    "provider_failed": Verdict(ProviderUnavailable, "Something broke at the model's provider."),
    "provider_timeout": Verdict(ProviderTimeout),
    "connect_timeout": Verdict(ProviderTimeout, "The model's provider did not answer the call in time."),
    "connection_lost": Verdict(ProviderUnavailable, "The connection to the model's provider was lost."),
    "provider_garbled": Verdict(ProviderGarbled),
    "not_a_stream": Verdict(ProviderGarbled, "The model's provider answered with a page instead of a stream."),
    "provider_incomplete": Verdict(ProviderIncomplete),
    "bad_request": Verdict(ProviderRejected),
    "bad_address": Verdict(ProviderRejected, "The address of the model's provider is not valid."),
    "bad_key": Verdict(ProviderRejected, "The model's provider did not accept this server's key."),
    "not_permitted": Verdict(ProviderRejected, "This server's account may not use this model."),
    "model_not_found": Verdict(ProviderRejected, "The model's provider does not know this model."),
    "context_too_long": Verdict(ProviderRejected, "This conversation is too long for the model."),
    "prompt_refused": Verdict(ProviderRejected, "The model's provider does not answer this prompt."),
    "redirected": Verdict(ProviderRejected, "The model's provider sent us to another address; we do not follow."),
}

#: What a status says if no word of the vendor's says it better.
STATUS_CODES: dict[int, str] = {
    401: "bad_key",
    402: "spend_limit",
    403: "not_permitted",
    404: "model_not_found",
    408: "provider_timeout",
    409: "provider_failed",
    413: "context_too_long",
    429: "rate_limited",
    503: "overloaded",
    529: "overloaded",
}


def refusal(code: str, headers: Mapping[str, str] | None = None) -> ProviderError:
    """The error of one of our codes, with what a refused request's headers say. KeyError for a code that is not in the
    table: a defect of ours."""
    kind, message = VERDICTS[code]
    headers = headers or {}
    error = kind(message, code=code, retry_after_s=retry_after_s(headers) if kind.retryable else None)
    error.headers = limit_headers(headers)
    return error


def status_code(status: int) -> str:
    """Our code for an HTTP status."""
    if known := STATUS_CODES.get(status):
        return known
    if status >= 500:
        return "provider_failed"
    return "redirected" if 300 <= status < 400 else "bad_request"


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds until the vendor wants to be asked again (RFC 9110 10.2.3: seconds or a date), None if it did not say."""
    value = headers.get("retry-after", "").strip()
    seconds = _seconds(value) if value else _milliseconds(headers)
    if seconds is None and value:
        seconds = _until(value, now or datetime.now(UTC))
    if seconds is None or not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_MAX_S)


def limit_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those that tell of rate limits, names in lower case."""
    lower = ((name.lower(), value) for name, value in headers.items())
    return {name: value for name, value in lower if name.startswith(LIMIT_PREFIXES)}


def harmless(word: object) -> str:
    """A vendor's type or code as it may stand in a log line: a short plain word, or nothing."""
    return word if isinstance(word, str) and re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", word) else ""


def _seconds(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _milliseconds(headers: Mapping[str, str]) -> float | None:
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    return None if milliseconds is None else milliseconds / 1000


def _until(value: str, now: datetime) -> float | None:
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    # A date in "-0000" is naive and means UTC (RFC 5322 3.3).
    return (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() - now.timestamp()
