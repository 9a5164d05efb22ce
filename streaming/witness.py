"""Tells workers that died from a Redis that stood still (DESIGN 13).

A worker is alive while its lease is in Redis. Its absence proves a death only if the lease would have been seen: looks
must have gone without a break, at one and the same memory of Redis, for one full lease. Otherwise a pause of Redis
would make all workers look dead the moment it ends.

Every worker looks, and every web process that delivers streams: the watch is common to all of them and is kept in
Redis (`lua/watch.lua`). So it goes on when the only worker is killed, and the next one may act on it at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from redis.asyncio import Redis

from streaming import keys
from streaming.scripts import script

LEASE_S: Final = 10.0
"""How long a worker's sign of life lasts."""
PERIOD_S: Final = 2.0
GAP_MAX_S: Final = 2.5 * PERIOD_S
"""Less than a lease has left when the pause begins (10 s, renewed every 2.5 s): during it no living worker's ends."""
TTL_S: Final = 60


class Look(NamedTuple):
    #: For how long nobody can have been overlooked.
    steady_s: float
    missing: list[str]

    def dead(self, lease_s: float = LEASE_S) -> list[str]:
        """The workers that are certainly dead."""
        return sorted(self.missing) if self.steady_s >= lease_s else []


async def look(client: Redis, workers: Sequence[str] = ()) -> Look:
    """One atomic step: go on with the watch, and see whose lease is missing. Raises what Redis raises."""
    names = [keys.WORKER_WATCH, *(keys.worker_lease(worker) for worker in workers)]
    steady_ms, *found = await script("watch").call(client, names, round(GAP_MAX_S * 1000), TTL_S * 1000)
    return Look(steady_ms / 1000, [worker for worker, there in zip(workers, found, strict=True) if not there])
