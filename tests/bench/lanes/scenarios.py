"""The worlds that are measured. All rates per minute; the provider's true limits beside what the lane believes.

A lane uses 98 % of what it believes, so 46 requests per minute are served at a rate of 45."""

from __future__ import annotations

from dataclasses import replace

from streaming.lane_limits import Budget, LaneLimits
from tests.bench.lanes.world import Scenario, lognormal

NONE = LaneLimits(user_concurrency=None, user_queue=None, queue_max=None)


def requests(per_minute: float, burst: float = 10, **more: float) -> LaneLimits:
    """A bucket of requests that holds `burst` of them."""
    return replace(NONE, requests_per_minute=per_minute, burst_s=60 * burst / per_minute, **more)


BUCKET = Scenario("a", requests(51), {Budget.REQUESTS: 51}, per_s=0.55, burst_every_s=240, burst=(20, 45), probe=0.15)
SLOTS = Scenario("b", replace(NONE, concurrency=12), per_s=0.62, swing=0.3)
SLOW = replace(SLOTS, name="b'", per_s=0.52, swing=0.2, slow=True)
MIXED = Scenario(
    "c",
    replace(requests(46), concurrency=12),
    {Budget.REQUESTS: 46},
    per_s=0.52,
    burst_every_s=200,
    burst=(15, 35),
    sulk_every_s=300,
    patience=lognormal(90, 1.0),
)
WRONG = replace(
    MIXED,
    name="c'",
    limits=replace(requests(38 * 1.3), concurrency=20),
    true_limits={Budget.REQUESTS: 38},
    true_burst_s=16,
)
FAIR = Scenario(
    "d",
    replace(requests(46), concurrency=12),
    {Budget.REQUESTS: 46},
    per_s=0.45,
    swing=0.25,
    users=40,
    burst_every_s=150,
    burst_of_heavy=True,
    sulk_every_s=300,
    patience=lognormal(150, 1.0),
)
TOKENS = Scenario(
    "e",
    replace(NONE, output_tokens_per_minute=20_000, input_tokens_per_minute=60_000, concurrency=20),
    {Budget.OUTPUT: 20_000, Budget.INPUT: 60_000},
    per_s=0.42,
    swing=0.3,
    users=40,
    burst_every_s=200,
    burst=(10, 20),
    output=lognormal(600, 1.2),
    headers=True,
)
