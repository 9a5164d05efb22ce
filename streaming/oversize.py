"""A request that its provider's limits never let pass. Pure.

Some providers start from a full bucket what is larger than it, others refuse it for ever and only name a time to ask
again. Put back to its place each time, it would keep everybody behind it waiting until its deadline.
"""

from __future__ import annotations

from typing import Final

from streaming.errors import ProviderRateLimited, ProviderRejected, StreamingError
from streaming.lane_limits import Budget, observations

TRIES: Final = 2
"""The first refusal may mean that others had used the minute up. It waited for the next one, behind nobody."""


class TooLarge(ProviderRejected):
    code = "context_too_long"
    message = "This conversation is longer than what the model's provider accepts at once."


def judge(error: StreamingError, input_tokens: int, tries: int) -> StreamingError:
    """What a refusal means for a request of so many tokens (as its lane reserves them) that was asked so many times."""
    if not isinstance(error, ProviderRateLimited) or tries < TRIES:
        return error
    limits = [seen.limit for seen in observations(error.headers) if seen.budget is Budget.INPUT]
    if input_tokens <= min(limits, default=float("inf")):
        return error
    refused = TooLarge()
    refused.headers = error.headers
    return refused
