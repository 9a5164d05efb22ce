"""The pacer's holder keeps the books: rollups of what has ended, the load of the last minutes, and what is too old.

All of it may be done again, or by two holders at once, without a difference.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from django.db import DatabaseError
from redis import RedisError

from streaming import database, load, redis_client, rollups
from streaming.cancellation import cancel

log = logging.getLogger(__name__)

PERIOD_S: Final = 10.0
PRUNE_S: Final = 3600.0


class Bookkeeper:
    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._due_at = self._prune_at = float("-inf")

    def keep(self) -> None:
        """Called again and again while this process holds the pacer's lease; returns at once."""
        now = asyncio.get_running_loop().time()
        if now >= self._due_at and (self._task is None or self._task.done()):
            self._due_at = now + PERIOD_S
            self._task = asyncio.create_task(self._work(now))

    def rest(self) -> None:
        load.peaks.rest()

    async def aclose(self) -> None:
        if self._task is not None:
            await cancel(self._task)

    async def _work(self, now: float) -> None:
        try:
            await roll_up()
            await write_load()
            if now >= self._prune_at and not await database.call(rollups.prune):
                self._prune_at = now + PRUNE_S
        except (RedisError, OSError, TimeoutError, DatabaseError) as error:
            log.warning("the books wait (%s)", type(error).__name__)
        except Exception:
            log.exception("the books could not be kept")


async def roll_up() -> int:
    """Everything that has ended so far. In portions: other work for the database gets its turn in between."""
    done = 0
    while portion := await database.call(rollups.roll_up):
        done += portion
    return done


async def write_load() -> None:
    """The last two minutes: the newest is written again until it is over and told by everybody."""
    this = load.minute_of()
    for minute in (this - load.MINUTE_S, this):
        lanes = load.peaks.take(minute)
        if counts := await load.counted(redis_client.get(), minute):
            lanes.setdefault("", {}).update(counts)
        if lanes:
            await database.call(rollups.write_load, minute, lanes)
