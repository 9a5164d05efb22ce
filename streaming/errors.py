"""What can go wrong, and the decision that travels with it.

StreamingError                 code, message (a sentence for people), retryable, retry_after_s
├── Refused                    nothing was accepted: unknown model, no key, too large, too many
├── ProviderError              translated from a vendor in providers/<vendor>.py
│   ├── ProviderRateLimited    429; retry_after_s if the vendor said it
│   ├── ProviderSpendLimit     the account is out of credit: waiting does not help
│   ├── ProviderOverloaded     529, 503, an in-stream overload event
│   ├── ProviderUnavailable    refused, reset, DNS, 5xx
│   ├── ProviderTimeout        connect, first token, between tokens, whole answer
│   ├── ProviderRejected       401, 403, 400, 404: asking again gives the same
│   ├── ProviderGarbled        not the protocol: bad JSON, HTML, broken UTF-8
│   ├── ProviderIncomplete     the stream ended without the vendor's end marker
│   └── RunGone                a run that the vendor kept cannot be read again: ask anew
├── Vetoed                     a validator ended the stream; `message` is its reason
└── WriterError                the log refused an append
    ├── Fenced                 another attempt owns the stream
    └── StopRequested          somebody pressed stop
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with `values` in the places of their names, "%(count)s": pages say `text` in their language, and write
    numbers as it does."""

    text: str
    values: Mapping[str, str | int]

    def __str__(self) -> str:
        return self.text % {
            name: f"{value:,}" if isinstance(value, int) else value for name, value in self.values.items()
        }


class StreamingError(Exception):
    """Base of all. `code` is for programs, `message` for people; neither holds secrets or content. `sentences`: what
    the message is made of, if it says values."""

    code = "error"
    message = "Something went wrong."
    retryable = False

    def __init__(
        self,
        message: str | Sequence[Sentence] | None = None,
        *,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.sentences = () if message is None or isinstance(message, str) else tuple(message)
        self.message = " ".join(map(str, self.sentences)) or str(message or type(self).message)
        self.code = code or type(self).code
        self.retryable = type(self).retryable if retryable is None else retryable
        self.retry_after_s = retry_after_s
        super().__init__(self.message)


class Refused(StreamingError):
    """Nothing was accepted and nothing changed."""

    code = "refused"
    message = "This request was refused."


class ProviderError(StreamingError):
    """`headers`: what a refusal's headers say of the rate limits, names in lower case; empty if nothing."""

    code = "provider_error"
    message = "The model's provider reported an error."
    headers: Mapping[str, str] = MappingProxyType({})


class ProviderRateLimited(ProviderError):
    code = "rate_limited"
    message = "The model's provider asked us to slow down."
    retryable = True


class ProviderSpendLimit(ProviderError):
    code = "spend_limit"
    message = "The account at the model's provider has reached its spending limit."


class ProviderOverloaded(ProviderError):
    code = "overloaded"
    message = "The model's provider is overloaded."
    retryable = True


class ProviderUnavailable(ProviderError):
    code = "provider_unavailable"
    message = "The model's provider could not be reached."
    retryable = True


class ProviderTimeout(ProviderError):
    code = "provider_timeout"
    message = "The model's provider took too long."
    retryable = True


class ProviderRejected(ProviderError):
    code = "provider_rejected"
    message = "The model's provider refused the request."


class ProviderGarbled(ProviderError):
    code = "provider_garbled"
    message = "The model's provider sent something that could not be read."
    retryable = True


class ProviderIncomplete(ProviderError):
    code = "provider_incomplete"
    message = "The answer broke off before its end."
    retryable = True


class RunGone(ProviderError):
    code = "run_gone"
    message = "The model's provider no longer has this answer."
    retryable = True


class Vetoed(StreamingError):
    """A validator stops the stream. `allowed` is the part of its input that may still be shown."""

    code = "vetoed"
    message = "The answer was stopped by this site's rules."

    def __init__(self, message: str | None = None, *, allowed: str = "") -> None:
        self.allowed = allowed
        super().__init__(message)


class WriterError(StreamingError):
    """An append that the log refused; never shown to people as it is."""


class Fenced(WriterError):
    code = "fenced"


class StopRequested(WriterError):
    code = "stopped"
