"""The runs of one worker process: their starts, their claims, and the watch over everything that waits.

The runner looks at all its runs four times a second: a deadline per token would cost more than the token.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from django.db import DatabaseError
from redis import RedisError
from structlog.contextvars import bind_contextvars

from streaming import conf, database, hooks, lifecycle, metrics, services
from streaming.cancellation import cancel
from streaming.endings import Draining
from streaming.errors import ProviderError, ProviderTimeout, StopRequested
from streaming.lane_run import LaneRun, Parting, beat_forever
from streaming.lane_values import Penalty, Ticket, Used
from streaming.lifecycle import Claim
from streaming.prompt import Prompt
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
        #: By an administrator's order: nothing new is taken up, what runs goes on (`worker_orders`).
        self.rests = False
        self._tokens_ended = 0
        self._draining = asyncio.Event()
        self._started: set[LaneRun] = set()
        self._resting: set[asyncio.Task[None]] = set()
        self._publisher = publisher
        # Two tasks: a Redis that hangs must not make the deadlines late.
        looks = (self._watch, self._read_stop_flags)
        self._watchers = [asyncio.create_task(self._repeat(look)) for look in looks]
        self._watchers.append(asyncio.create_task(beat_forever(self._started)))

    async def run(self, ticket: Ticket) -> None:
        """Take up what a lane handed over. Whoever comes too late leaves: another delivery or another worker has it."""
        lane = LaneRun(ticket, self.worker_id)
        if self._draining.is_set() or self.rests:
            await lane.give_back(Penalty())
            return
        # Read while the lane is asked: whoever comes too late has read it for nothing, which is rare.
        prompt = asyncio.create_task(_prompt_of(ticket))
        try:
            if await lane.start():
                await self._run(lane, await prompt)
        finally:
            prompt.cancel()

    async def _run(self, lane: LaneRun, prompt: Prompt | None) -> None:
        self._started.add(lane)
        parting: Parting | None = Parting(used=Used())
        try:
            parting = await self._attempt(lane, prompt)
        finally:
            await self._part(lane, parting)

    async def _attempt(self, lane: LaneRun, prompt: Prompt | None) -> Parting | None:
        """None: only the database can tell whether it may run. The pacer asks when that is back."""
        try:
            claim = await self._claim(lane.ticket, prompt)
        except DatabaseError as away:
            log.warning("%s could not be claimed (%s): it waits", lane.ticket.generation_id, type(away).__name__)
            return None
        if claim is None:
            return Parting()
        bind_contextvars(attempt=claim.attempt)
        run = Run(claim, self._publisher, lane)
        self.runs.add(run)
        metrics.streams_running(len(self.runs))
        try:
            return await run.execute()
        finally:
            self.runs.discard(run)
            metrics.streams_running(len(self.runs))

    def tokens(self) -> int:
        """Output tokens of this process so far, as we count them."""
        return self._tokens_ended + sum(lane.produced() for lane in self._started)

    def _leave(self, lane: LaneRun) -> None:
        self._started.discard(lane)
        self._tokens_ended += lane.produced()

    async def _part(self, lane: LaneRun, parting: Parting | None) -> None:
        if parting is not None and parting.rests_s:
            rest = asyncio.create_task(self._rest(lane, parting))
            self._resting.add(rest)
            rest.add_done_callback(self._resting.discard)
            return
        self._leave(lane)
        if parting is not None:
            await lane.part(parting)

    async def _rest(self, lane: LaneRun, parting: Parting) -> None:
        """Its slot waits with it, for a second at most times: nobody else is served better meanwhile. A drain ends it,
        for another process can wait as well."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(parting.rests_s):
                await self._draining.wait()
        self._leave(lane)
        await lane.part(parting)

    async def _claim(self, ticket: Ticket, prompt: Prompt | None) -> Claim | None:
        handed_at = datetime.fromtimestamp(ticket.handed_ms / 1000, UTC) if ticket.handed_ms else None
        claim = partial(lifecycle.claim, ticket.generation_id, self.worker_id, ticket.admission, handed_at=handed_at)
        try:
            # To its end: a claim that succeeds after we gave up waiting would belong to nobody.
            return await database.call_to_end(partial(claim, prompt=prompt, ends_only=not ticket.lane))
        except DatabaseError:
            raise
        except Exception:  # the host has no prompt for it, and will not have one later
            log.exception("generation %s has no prompt", ticket.generation_id)
            error = ProviderError("Something went wrong on this server.", code="internal", retryable=True)
            end = await database.call(lifecycle.end_queued, ticket.generation_id, Status.FAILED, error)
            if end is not None:
                await services.announce(end)
        return None

    def drain(self) -> None:
        """Claim nothing more; running answers get `drain_s`, then they are handed back or interrupted."""
        if self.drain_at is None:
            self.drain_at = asyncio.get_running_loop().time() + conf.get().drain_s
            self._draining.set()

    async def aclose(self) -> None:
        await cancel(*self._watchers, *self._resting)

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


async def _prompt_of(ticket: Ticket) -> Prompt | None:
    """None: the claim finds out why, and says it."""
    with contextlib.suppress(Exception):
        return await database.call(hooks.build_prompt, ticket.generation_id)
    return None
