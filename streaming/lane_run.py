"""The lane's part of a run: one admission, from its start in a worker to the place where its ticket goes.

A lane that is away, or lost its memory, never stops a running stream: only the row fences. What the lane then does not
hear, the pacer's reconciliation tells it from the rows.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from streaming import dispatcher
from streaming.errors import (
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderSpendLimit,
    StreamingError,
)
from streaming.events import Queued
from streaming.lane_limits import exhausted, observations
from streaming.lane_snapshot import chunks
from streaming.lane_store import LaneStore
from streaming.lane_values import Answer, Penalty, Ticket, Used, fair_cost
from streaming.providers.base import Usage
from streaming.retry import Retry

log = logging.getLogger(__name__)

SLOWED: Final = 0.8
"""What a lane keeps of its speed after a refusal that no header explains."""
JITTER_S: Final = 0.5
PAUSE_MIN_S: Final = 0.5
"""A vendor may name milliseconds. Such a try does not count, so it must not become a loop without a pause."""
BEAT_S: Final = 2.0
BEAT_PORTION: Final = 100
NOTHING: Final = Used(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Parting:
    """What an attempt leaves to its lane. `retry` None: the generation is over. `used` None: the provider charged
    nothing, or its own run goes on and is charged once, at its end. `good`: the provider served it."""

    error: StreamingError | None = None
    retry: Retry | None = None
    used: Used | None = None
    good: bool = False

    @property
    def rests_s(self) -> float:
        """How long the next try waits by itself: not at all where its lane waits for all."""
        closes = isinstance(self.error, ProviderRateLimited | ProviderOverloaded)
        return 0.0 if self.retry is None or closes else self.retry.wait_s


def used_of(usage: Usage) -> Used:
    """A lane counts what limits count: cached input is free."""
    fresh = max(0, usage.input_tokens - usage.cached_tokens)
    return Used(fresh, usage.output_tokens, fair_cost(fresh, usage.output_tokens))


def penalty_of(error: StreamingError | None, random: Callable[[], float]) -> Penalty:
    """What a refusal means for everybody in the lane."""
    jitter_s = random() * JITTER_S
    if isinstance(error, ProviderRateLimited):
        empty = exhausted(observations(error.headers))
        named_s = max(PAUSE_MIN_S, error.retry_after_s) if error.retry_after_s else None
        return Penalty("limit", named_s, 1.0 if empty else SLOWED, jitter_s, empty)
    if isinstance(error, ProviderOverloaded):
        return Penalty("overload", error.retry_after_s, 1.0, jitter_s)
    return Penalty()


def told(error: StreamingError, retry: Retry, generation_id: str, reason: str) -> Queued:
    """What people hear of the next try. How long a lane stays closed nobody knows unless the provider said it."""
    message, wait_s = error.message, round(retry.wait_s, 1)
    if isinstance(error, ProviderRateLimited) and error.retry_after_s:
        message = f"The model's provider asked us to wait {math.ceil(error.retry_after_s)} s."
    unknown = isinstance(error, ProviderRateLimited | ProviderOverloaded) and error.retry_after_s is None
    return Queued(generation=generation_id, reason=reason, message=message, retry_in_s=None if unknown else wait_s)


class LaneRun:
    """One admission. `produced()`: output tokens so far. A ticket without a lane (see `Ticket`) may always start, and
    leaves nothing behind."""

    def __init__(self, ticket: Ticket, worker_id: str) -> None:
        self.ticket = ticket
        self.produced: Callable[[], int] = int
        # A second delivery of the same message is another holder.
        self._holder = f"{worker_id}:{secrets.token_hex(4)}"
        self._observing: list[asyncio.Task[None]] = []

    async def start(self) -> bool:
        """Whether it may go on. If not, its ticket is (or soon comes) back in its place, or is somebody else's."""
        if not self.ticket.lane:
            return True
        answer = await self._ask(lambda lane: lane.start(self.ticket, self._holder))
        return answer is not None and answer.status == "OK"

    def hear(self, headers: Mapping[str, str]) -> None:
        """The provider took the request, and said something of its limits. The stream does not wait for the lane."""
        self._observing.append(asyncio.create_task(self._observe(headers, self.ticket)))

    async def part(self, parting: Parting) -> None:
        """Give the ticket back: to its old place if there is another try, else for good."""
        await asyncio.gather(*self._observing)
        error, penalty = parting.error, penalty_of(parting.error, random.random)
        if isinstance(error, ProviderError) and error.headers:
            await self._observe(error.headers, None)
        if parting.retry is not None:
            await self.give_back(penalty, parting.used)
            return
        if isinstance(error, ProviderSpendLimit):
            await self._ask(lambda lane: lane.block(error.message))
        elif penalty.kind != "none":
            await self._ask(lambda lane: lane.punish(penalty))
        await self._ask(lambda lane: lane.settle(self.ticket, parting.used or NOTHING, good=parting.good))

    async def give_back(self, penalty: Penalty, used: Used | None = None) -> None:
        """Its row waits again."""
        if not self.ticket.lane:
            await dispatcher.enqueue(self.ticket.generation_id)
        await self._ask(lambda lane: lane.requeue(self.ticket, penalty, used=used))

    async def _observe(self, headers: Mapping[str, str], ticket: Ticket | None) -> None:
        seen = observations(headers)

        async def observe(lane: LaneStore) -> Answer:
            adopted, drained = await lane.observe(seen, ticket)
            for limit in adopted:
                words = (limit.budget.name.lower(), limit.after, limit.before)
                log.warning("lane %s: the provider's limit of %s is %s now, not %s", lane.lane, *words)
            return Answer("OK", drained)

        if seen:
            await self._ask(observe)

    async def _ask(self, operation: dispatcher.Operation) -> Answer | None:
        return await dispatcher.ask(self.ticket.lane, operation) if self.ticket.lane else None


async def beat_forever(started: Collection[LaneRun]) -> None:
    """The sign of life of all that run in this process: one call per lane, in portions that keep nobody waiting."""
    while True:
        await asyncio.sleep(BEAT_S)
        lanes: dict[str, list[LaneRun]] = {}
        for run in started:
            lanes.setdefault(run.ticket.lane, []).append(run)
        for lane, runs in lanes.items():
            for portion in chunks(runs, BEAT_PORTION):
                await _beat(lane, [(run.ticket, run.produced()) for run in portion])


async def _beat(lane: str, produced: list[tuple[Ticket, int]]) -> None:
    async def beat(store: LaneStore) -> None:
        await store.beat(produced)  # a ticket that is somebody else's now: its row says the same to its run

    if lane:
        await dispatcher.ask(lane, beat)
