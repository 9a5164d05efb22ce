"""The runs of one worker process: claims, retries, and the watch over everything that waits.

The runner looks at all its runs four times a second: a deadline per token would cost more than the token.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from django.db import DatabaseError
from redis import RedisError

from streaming import conf, database, dispatcher, lifecycle, services
from streaming.cancellation import cancel
from streaming.endings import Draining
from streaming.errors import ProviderError, ProviderTimeout, StopRequested
from streaming.lane_values import Ticket
from streaming.lifecycle import Claim
from streaming.publisher import Publisher
from streaming.run import Run
from streaming.states import Status

log = logging.getLogger(__name__)

WATCH_PERIOD_S: Final = 0.25
_AWAY: Final = (RedisError, OSError, TimeoutError)


class Runner:
    """The runs of one worker process."""

    def __init__(self, publisher: Publisher, worker_id: str) -> None:
        self.worker_id = worker_id
        self.runs: set[Run] = set()
        self.drain_at: float | None = None
        self._draining = asyncio.Event()
        self._publisher = publisher
        # Two tasks: a Redis that hangs must not make the deadlines late.
        looks = (self._watch, self._read_stop_flags)
        self._watchers = [asyncio.create_task(self._repeat(look)) for look in looks]

    async def run(self, generation_id: str, admission: int) -> None:
        """Claim and run, again and again while the failure is one that may be retried before any text."""
        try:
            while not self._draining.is_set():
                claim = await self._claim(generation_id)
                wait_s = None if claim is None else await self._execute(claim)
                if wait_s is None:
                    break
                await self._pause(wait_s)
        finally:
            await dispatcher.settle(Ticket(generation_id, admission))

    async def _claim(self, generation_id: str) -> Claim | None:
        try:
            # To its end: a claim that succeeds after we gave up waiting would belong to nobody.
            return await database.call_to_end(lifecycle.claim, generation_id, self.worker_id)
        except DatabaseError as away:
            log.warning("generation %s could not be claimed (%s): it stays queued", generation_id, type(away).__name__)
        except Exception:  # the host has no prompt for it, and will not have one later
            log.exception("generation %s has no prompt", generation_id)
            error = ProviderError("Something went wrong on this server.", code="internal", retryable=True)
            end = await database.call(lifecycle.end_queued, generation_id, Status.FAILED, error)
            if end is not None:
                await services.announce(end)
        return None

    async def _execute(self, claim: Claim) -> float | None:
        run = Run(claim, self._publisher)
        self.runs.add(run)
        try:
            return await run.execute()
        finally:
            self.runs.discard(run)

    async def _pause(self, wait_s: float) -> None:
        """Before the next try; a drain ends it, for another process can wait as well."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._draining.wait()

    def drain(self) -> None:
        """Claim nothing more; running answers get `drain_s`, then they are handed back or interrupted."""
        if self.drain_at is None:
            self.drain_at = asyncio.get_running_loop().time() + conf.get().drain_s
            self._draining.set()

    async def aclose(self) -> None:
        await cancel(*self._watchers)

    async def _repeat(self, look: Callable[[float], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(WATCH_PERIOD_S)
            try:
                await look(asyncio.get_running_loop().time())
            except _AWAY as error:
                log.debug("stop flags could not be read (%s)", type(error).__name__)
            except Exception:
                log.exception("the watch over running streams failed")

    async def _watch(self, now: float) -> None:
        settings = conf.get()
        for run in [run for run in self.runs if run.reading]:
            silence_s = settings.between_text_timeout_s if run.writer.has_text else settings.first_text_timeout_s
            if now - run.last_part_at > silence_s:
                run.cut(ProviderTimeout(f"The model's provider was silent for {silence_s:g} seconds."))
            elif now - run.started_at > settings.answer_timeout_s:
                run.cut(ProviderTimeout("The answer took too long and was cut off.", retryable=False))
            elif self.drain_at is not None and (now > self.drain_at or not run.writer.has_input):
                run.cut(Draining())

    async def _read_stop_flags(self, now: float) -> None:
        """A stream with text hears of a stop from its next append; the silent ones are asked about here."""
        reading = [run for run in self.runs if run.reading]
        quiet = [run for run in reading if now - run.last_part_at > conf.get().stop_poll_s - WATCH_PERIOD_S]
        if quiet:
            stopped = await self._publisher.replay_log.stops([run.claim.generation_id for run in quiet])
            for run in quiet:
                if run.claim.generation_id in stopped:
                    run.cut(StopRequested())
