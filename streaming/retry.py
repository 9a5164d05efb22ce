"""May this failure be tried again before anybody saw text, and when? Pure: randomness is an argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streaming.errors import ProviderError, ProviderRateLimited


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after `wait_s`. `counts` says whether it uses up one of the allowed tries."""

    wait_s: float
    counts: bool


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter (AWS, "Exponential Backoff And Jitter"), or what the provider asked for."""

    tries_max: int
    base_s: float
    max_s: float
    #: A provider that asks for longer than this is not waited for.
    retry_after_max_s: float = 120.0

    def decide(self, error: ProviderError, tries: int, random: Callable[[], float]) -> Retry | None:
        """`tries` failed before this one; None: give up."""
        if not error.retryable:
            return None
        asked = error.retry_after_s
        if asked is not None:
            if asked > self.retry_after_max_s:
                return None
            # Everybody was told the same time: a little jitter keeps them from coming back in one instant. "At once" is
            # never meant: tries that do not count must not become a loop without a pause.
            asked = max(asked, self.base_s)
            wait_s = asked + random() * min(1.0, asked)
            if isinstance(error, ProviderRateLimited):
                return Retry(wait_s, counts=False)
            return Retry(wait_s, counts=True) if tries + 1 < self.tries_max else None
        if tries + 1 >= self.tries_max:
            return None
        return Retry(random() * min(self.max_s, self.base_s * 2**tries), counts=True)
