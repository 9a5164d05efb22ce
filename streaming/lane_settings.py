"""What an administrator decides about a lane, brought into force at once: nobody who saves waits for the pacer.

If the lane cannot be asked just then, the pacer's holder does the same within a tick, from the row.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from kombu.exceptions import KombuError
from redis import RedisError

from streaming import dispatcher, redis_client, wake_ups
from streaming.lane_limits import Hold, LaneLimits
from streaming.lane_store import LaneStore
from streaming.lane_values import NOTHING, Drained, LaneLost

APPLY_TIMEOUT_S: Final = 2.0
_AWAY: Final = (TimeoutError, OSError, RedisError, KombuError, LaneLost)
log = logging.getLogger(__name__)


async def apply(name: str, limits: LaneLimits) -> bool:
    """Bring limits into force, and start what may start because of them. Never raises; False: the pacer does it."""

    async def configure(lane: LaneStore) -> Drained:
        return (await lane.configure(limits)).drained

    return await _ask(name, configure)


async def unblock(name: str, *, reopen: bool) -> bool:
    """Let a lane go on that a provider's refusal blocked; `reopen`: or closed for a while. Never raises; False: nothing
    changed."""
    return await _ask(name, lambda lane: lane.unblock(reopen=reopen))


async def hold(name: str, order: Hold) -> bool:
    """Let nobody start. Never raises; False: the pacer does it, from the row."""

    async def held(lane: LaneStore) -> Drained:
        await lane.hold(order)
        return NOTHING

    return await _ask(name, held)


async def release(name: str) -> bool:
    """Withdraw the order. Never raises; False: the pacer does it, from the row."""
    return await _ask(name, LaneStore.release)


async def _ask(name: str, operation: Callable[[LaneStore], Awaitable[Drained]]) -> bool:
    # A client of its own: under some servers an administrator's page runs in a loop that ends with it.
    client = redis_client.make(connections=1, timeout_s=APPLY_TIMEOUT_S)
    try:
        async with asyncio.timeout(APPLY_TIMEOUT_S):
            drained = await operation(LaneStore(client, name, wake_ups.letter))
            await dispatcher.start(drained.untold)
    except _AWAY as error:
        log.warning("lane %s could not be asked (%s): the pacer will", name, type(error).__name__)
        return False
    finally:
        await client.aclose()
    return True
