"""How many streams the live workers have room for. Each says so in the value of its lease (`bridge`); the pacer's
holder adds them up, for a lane must not hand over more than somebody can take.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from redis.asyncio import Redis

from streaming import conf, fenced, keys

NOTHING: Final[Mapping[str, Any]] = {}
KNOWN_TTL_MS: Final = 7 * 24 * 3600 * 1000


async def renew(client: Redis, worker_id: str, slots: int, lease_ms: int, about: Mapping[str, Any] = NOTHING) -> None:
    """The worker is alive and runs at most `slots` streams at once; `about` it is for people (`workers_now`)."""
    pipe = client.pipeline(transaction=False)
    pipe.set(keys.worker_lease(worker_id), fenced.lease_value(slots, about), px=lease_ms)
    pipe.sadd(keys.WORKERS_KNOWN, worker_id)
    pipe.pexpire(keys.WORKERS_KNOWN, KNOWN_TTL_MS)
    await pipe.execute()


async def total(client: Redis) -> int | None:
    """Of all live workers; None: Redis knows of none, which says nothing (it may have lost its memory)."""
    members: Collection[Any] = await client.smembers(keys.WORKERS_KNOWN)
    known = sorted(name.decode() for name in members)
    if not known:
        return None
    leases: list[Any] = await client.mget([keys.worker_lease(name) for name in known])
    gone = [name for name, lease in zip(known, leases, strict=True) if lease is None]
    if gone:  # one that comes back adds itself again
        await client.srem(keys.WORKERS_KNOWN, *gone)
    if len(gone) == len(known):
        return None
    return sum(_slots(lease) for lease in leases if lease is not None)


def _slots(lease: bytes) -> int:
    """A worker of another release may not say."""
    said: Any = json.loads(lease)
    slots: Any = said.get("slots") if isinstance(said, dict) else None
    return slots if isinstance(slots, int) else conf.get().worker_streams_max
