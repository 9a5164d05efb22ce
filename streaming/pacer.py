"""The pacer supplies time: an asyncio task in every worker process, of which one holds the lease and acts.

Each period it gives back what dead workers held, wakes generations whose wake-up is due (never sent, lost, or meant for
later) and ends those that waited longer than their deadline; beside that it keeps the lanes (`lane_keeper`). If its
holder dies, another process takes over within the lease; nothing depends on it but promptness.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from django.db import DatabaseError
from redis import RedisError

from streaming import conf, database, dispatcher, due, keys, lifecycle, redis_client, services
from streaming.bookkeeping import Bookkeeper
from streaming.cancellation import cancel
from streaming.errors import Refused
from streaming.lane_keeper import LaneKeepers
from streaming.reaper import Reaper
from streaming.states import Status

log = logging.getLogger(__name__)

LEASE_MS: Final = 5_000


class Pacer:
    def __init__(self, worker_id: str) -> None:
        self._worker_id = worker_id
        self._reaper = Reaper(redis_client.get())
        self._lanes = LaneKeepers()
        self._books = Bookkeeper()
        self._task = asyncio.create_task(self._pace_forever())

    async def aclose(self) -> None:
        await cancel(self._task)
        await self._lanes.rest()
        await self._books.aclose()

    async def _pace_forever(self) -> None:
        while True:
            await self._guarded(self._round)
            await asyncio.sleep(conf.get().pacer_period_s)

    async def _round(self) -> None:
        asked_at = asyncio.get_running_loop().time()
        leads = await self._leads()
        # Each by itself: what fails in one must not leave the others undone.
        await self._guarded(lambda: self._lanes.lead(asked_at, LEASE_MS / 1000) if leads else self._lanes.rest())
        await self._guarded(lambda: self._reaper.watch(acts=leads))
        if leads:
            self._books.keep()
            await self._guarded(self.pace)
        else:
            self._books.rest()

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (RedisError, OSError, TimeoutError, DatabaseError) as error:
            log.warning("the pacer waits (%s)", type(error).__name__)
        except Exception:
            log.exception("the pacer failed")

    async def _leads(self) -> bool:
        """Take or renew the lease. Losing it between the check and the work is harmless: all work is idempotent."""
        client = redis_client.get()
        if await client.set(keys.PACER_LEADER, self._worker_id, nx=True, px=LEASE_MS):
            return True
        if await client.get(keys.PACER_LEADER) != self._worker_id.encode():
            return False
        return bool(await client.pexpire(keys.PACER_LEADER, LEASE_MS))

    async def pace(self) -> None:
        """One round of work."""
        for generation_id in await database.call(due.wake_ups):
            if not await dispatcher.wake(generation_id):
                break  # the others would wait for the same thing, and they are due again soon
        await database.call(due.keep_paused)
        for generation_id in await database.call(due.overdue):
            too_long = Refused("It waited too long and was given up.", code="expired", retryable=True)
            end = await database.call(lifecycle.end_queued, generation_id, Status.EXPIRED, too_long)
            if end is not None:
                await dispatcher.cancel(generation_id)
                await services.announce(end)
            else:  # it has text of an earlier attempt: a worker ends it with all of that
                await dispatcher.end(generation_id)
