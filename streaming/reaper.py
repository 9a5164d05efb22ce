"""Finds worker processes that died, and gives their generations back to the queue (DESIGN 13).

A worker is alive while its lease is in Redis. Its absence proves a death only if we would have seen it alive: our own
reads must have gone without a break, under the same registry, for one full lease. Otherwise a pause of Redis would make
all workers look dead the moment it ends.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Collection
from typing import Final

from redis.asyncio import Redis

from streaming import database, dispatcher, fanout, keys, lifecycle
from streaming.events import Queued, encode

log = logging.getLogger(__name__)

LEASE_S: Final = 10.0
"""How long a worker's sign of life lasts."""
PERIOD_S: Final = 2.0
SLACK_S: Final = 0.2
"""The pacer's rounds last a little longer than their pause: without it every third would be missed."""
REGISTRY_TTL_MS: Final = 7 * 24 * 3600 * 1000


class Witness:
    """Decides who is dead. Pure: each observation says when it was made, of which registry, and who was missing."""

    def __init__(self, lease_s: float = LEASE_S, gap_max_s: float = 2.5 * PERIOD_S) -> None:
        self._lease_s, self._gap_max_s = lease_s, gap_max_s
        self._registry = ""
        self._steady_since = self._last_at = float("-inf")

    def observe(self, now: float, registry: str, missing: Collection[str]) -> list[str]:
        """The workers that are certainly dead."""
        if registry != self._registry or now - self._last_at > self._gap_max_s:
            self._registry, self._steady_since = registry, now
        self._last_at = now
        return sorted(missing) if now - self._steady_since >= self._lease_s else []


class Reaper:
    """Every worker process watches, so that the next holder of the pacer's lease is a witness already when the one that
    died was the holder itself; only the holder acts."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._witness = Witness()
        self._due_at = float("-inf")

    async def watch(self, *, acts: bool) -> None:
        """One look, if the last one is `PERIOD_S` ago, and if `acts` what follows from it. Raises what Redis raises:
        the break in the reads then counts."""
        now = asyncio.get_running_loop().time()
        if now < self._due_at:
            return
        self._due_at = now + PERIOD_S - SLACK_S
        workers = await database.call(lifecycle.busy_workers)
        registry, missing = await self._look(workers)
        dead = self._witness.observe(now, registry, missing)
        for worker in dead if acts else ():
            for generation_id in await database.call(lifecycle.reap, worker):
                log.warning("worker %s is gone: generation %s goes back to the queue", worker, generation_id)
                await self._wake(generation_id)

    async def _look(self, workers: list[str]) -> tuple[str, list[str]]:
        pipe = self._client.pipeline(transaction=True)
        pipe.set(keys.WORKER_REGISTRY, secrets.token_hex(8), nx=True, px=REGISTRY_TTL_MS)
        pipe.get(keys.WORKER_REGISTRY)
        pipe.pexpire(keys.WORKER_REGISTRY, REGISTRY_TTL_MS)
        for worker in workers:
            pipe.exists(keys.worker_lease(worker))
        _, registry, _, *alive = await pipe.execute()
        return registry.decode(), [worker for worker, found in zip(workers, alive, strict=True) if not found]

    async def _wake(self, generation_id: str) -> None:
        queued = Queued(generation=generation_id, reason="continuing", message=lifecycle.GOES_ON)
        await fanout.broadcast(fanout.stream_group(generation_id), encode(queued))
        await dispatcher.wake(generation_id)
