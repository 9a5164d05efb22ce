"""How often somebody may ask: one limit for all web processes together, kept in Redis.

What Redis cannot tell refuses nobody: accepted rows matter more than exact counts.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from redis import RedisError

from streaming import keys, redis_client
from streaming.scripts import script

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` requests at once, and so many per `period_s` in the long run."""

    burst: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Taken:
    """`left`: how many fit now; `wait_s`: until the next one fits; `reset_s`: until all fit again."""

    allowed: bool
    left: int
    wait_s: float
    reset_s: float


async def take(name: str, rate: Rate) -> Taken:
    """Count one request of `name`. Never raises."""
    cost_us = round(rate.period_s * 1_000_000 / rate.burst)
    try:
        async with asyncio.timeout(redis_client.COMMAND_TIMEOUT_S):
            reply = await script("rate").call(redis_client.get(), [keys.request_rate(name)], cost_us, rate.burst)
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("requests cannot be counted: %s", type(error).__name__)
        return Taken(True, rate.burst, 0.0, 0.0)
    allowed, left, wait_us, reset_us = map(int, reply)
    return Taken(bool(allowed), left, wait_us / 1e6, reset_us / 1e6)
