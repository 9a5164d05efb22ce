"""Finds worker processes that died, and gives their generations back to the queue (DESIGN 13).

Who is dead is for `witness.py` to say.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from redis.asyncio import Redis

from streaming import database, dispatcher, fanout, lifecycle, witness
from streaming.events import Queued, encode

log = logging.getLogger(__name__)

SLACK_S: Final = 0.2
"""The pacer's rounds last a little longer than their pause: without it every third would be missed."""


class Reaper:
    """Every worker process watches, so that the watch has no break when the one that died was the holder of the pacer's
    lease; only the holder acts."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._due_at = float("-inf")

    async def watch(self, *, acts: bool) -> None:
        """One look, if the last one is `PERIOD_S` ago, and if `acts` what follows from it. Raises what Redis raises:
        the break in the reads then counts."""
        now = asyncio.get_running_loop().time()
        if now < self._due_at:
            return
        self._due_at = now + witness.PERIOD_S - SLACK_S
        workers = await database.call(lifecycle.busy_workers)
        look = await witness.look(self._client, workers)
        for worker in look.dead() if acts else ():
            for generation_id in await database.call(lifecycle.reap, worker):
                log.warning("worker %s is gone: generation %s goes back to the queue", worker, generation_id)
                await self._wake(generation_id)

    async def _wake(self, generation_id: str) -> None:
        queued = Queued(generation=generation_id, reason="continuing", message=lifecycle.GOES_ON)
        await fanout.broadcast(fanout.stream_group(generation_id), encode(queued))
        await dispatcher.wake(generation_id)
