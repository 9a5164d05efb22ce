"""The one interface of all providers: a prompt in, neutral parts out.

A provider yields any number of `Text` (and `Reasoning`), at most one `Limits` (before all of them), at most one
`Usage`, and exactly one `Finish`, which it yields only after it saw the vendor's own end marker. A stream that just
ends raises `ProviderIncomplete`; every failure of the SDK, of httpx2, of JSON or of Unicode is raised as a
`ProviderError`. Closing the iterator (or cancelling the task that reads it) closes the connection to the vendor at
once: nobody pays for text that nobody reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from streaming.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The model thinks and has nothing to show yet; counts as a sign of life, never as text."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the vendor counted them for this attempt. `cached_tokens` are part of `input_tokens`."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    """The vendor's end marker was seen. `reason`: stop, length, content_filter or the vendor's own word."""

    reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the vendor's headers say of its rate limits, as they came, names in lower case (`lane_limits.observations`
    reads them). A vendor that says nothing gives no such part; a refusal's are in `ProviderError.headers`."""

    headers: Mapping[str, str]


HANDLE_MAX_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Handle:
    """The vendor goes on with this run when nobody listens any more, and `handle` finds it again. It comes before any
    text; a longer one than the row can keep is left out. An empty one: the run has failed, there is nothing to go back
    to."""

    handle: str


Part = Text | Reasoning | Usage | Finish | Handle | Limits


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model that people may be offered.

    `alias` is what people and programs say, `model` what the vendor is told. `unavailable` is a sentence if the model
    cannot be used here (for example: no key), else None. `after_loss` overrides the site's policy for answers that
    broke off after text. `dialect` chooses between an SDK's two protocols ("chat" or "responses", openai only).
    `api_key` never leaves the provider module.
    Models of one `lane` share the provider's limits and one queue; without a name of its own an entry shares with those
    of the same model, address and key. `limits`: keyword arguments of `LaneLimits`, where the lane's row begins.
    `price`: US dollars per million tokens, {"input", "output", "cached"}; empty: as `prices` finds it.
    """

    alias: str
    label: str
    provider: str
    model: str
    dialect: str = "chat"
    base_url: str | None = None
    api_key: str = field(default="", repr=False)
    max_tokens: int = 4096
    unavailable: str | None = None
    after_loss: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    lane: str = ""
    limits: dict[str, Any] = field(default_factory=dict)
    price: dict[str, Any] = field(default_factory=dict)

    @property
    def lane_name(self) -> str:
        if self.lane:
            return self.lane
        account = hashlib.sha256(f"{self.base_url}|{self.api_key}".encode()).hexdigest()[:8]
        return f"{self.provider}:{self.model[:90]}:{account}"


class Provider(Protocol):
    """One per process and vendor connection; `stream` may be called any number of times at once."""

    def stream(self, entry: ModelEntry, prompt: Prompt) -> AsyncGenerator[Part, None]: ...

    async def aclose(self) -> None: ...


@runtime_checkable
class RunKeeper(Protocol):
    """A provider some of whose runs outlive their connection: those that yielded a `Handle`."""

    def reattach(self, entry: ModelEntry, handle: str) -> AsyncGenerator[Part, None]:
        """The run's parts from its very first on. Raises RunGone if the vendor does not give them any more."""

    async def cancel(self, entry: ModelEntry, handle: str) -> None:
        """End the run. Raises ProviderError."""
