"""What a request will use, guessed when it is accepted: from what is asked, and from what its model used of late.

Sync; runs inside the transaction that accepts the request. What it knows of rows is read once a minute and process.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from streaming import lanes
from streaming.lane_limits import ChargeMode, LaneLimits
from streaming.lane_values import fair_cost
from streaming.models import Attempt, Lane
from streaming.providers.base import ModelEntry

FRESH_S: Final = 60.0
LOOKED_AT: Final = 500
"""Attempts of all models: a bounded look backwards along the primary key."""
INPUT_TOKENS: Final = 1000
OUTPUT_TOKENS: Final = 500
"""For a model that has not answered yet, and a host that says nothing of its prompt."""
SHORT_LINE: Final = 100


@dataclass(frozen=True, slots=True)
class Estimate:
    """As a lane reserves it. `cost`: the share in the fair order, by what is likely to be used in the end."""

    input_tokens: int
    output_tokens: int
    cost: int


@dataclass(slots=True)
class _Known:
    """`outputs`: mean length of answers, by model."""

    at: float = float("-inf")
    outputs: dict[str, int] = field(default_factory=dict)
    limits: dict[str, LaneLimits] = field(default_factory=dict)


_known = _Known()


def estimate(entry: ModelEntry, input_tokens: int | None) -> Estimate:
    tokens_in = INPUT_TOKENS if input_tokens is None else input_tokens
    output = _fresh().outputs.get(entry.alias, min(OUTPUT_TOKENS, entry.max_tokens))
    # A provider that reserves counts the most that may come, and counts it with the input (`lane_limits`).
    reserved = entry.max_tokens if limits_of(lanes.of(entry)).charge is ChargeMode.RESERVE_MAX else 0
    return Estimate(tokens_in + reserved, output, fair_cost(tokens_in, output))


def limits_of(lane: str) -> LaneLimits:
    """As its row has them, at most a minute ago."""
    return _fresh().limits.get(lane) or lanes.configured(lane)


def has_short_line(lane: str) -> bool:
    """Whether one person, or a burst of one second, can fill it: without a query, as this process knows its limits."""
    limits = _known.limits.get(lane) or lanes.configured(lane)
    return limits.user_queue is not None or (limits.queue_max is not None and limits.queue_max <= SHORT_LINE)


def _fresh() -> _Known:
    global _known
    if time.monotonic() - _known.at > FRESH_S:
        _known = _Known(time.monotonic(), _outputs(), {row.name: row.limits() for row in Lane.objects.all()})
    return _known


def _outputs() -> dict[str, int]:
    newest = Attempt.objects.filter(output_tokens__isnull=False).order_by("-pk")
    lengths: dict[str, list[int]] = defaultdict(list)
    for model, tokens in newest.values_list("generation__model", "output_tokens")[:LOOKED_AT]:
        lengths[model].append(tokens or 0)
    return {model: round(sum(found) / len(found)) for model, found in lengths.items()}
