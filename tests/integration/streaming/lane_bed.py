"""A lane on a real Valkey under virtual time, for tests: seconds pass only when the test says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from redis.asyncio import Redis

from streaming.lane_limits import LaneLimits
from streaming.lane_snapshot import Place, Snapshot
from streaming.lane_store import LaneStore
from streaming.lane_values import Drained, Enqueued, Penalty, Request, Restored, Ticket, Used

START_MS = 1_700_000_000_000
OPEN = LaneLimits(user_concurrency=None, user_queue=None, queue_max=None, pace=1.0)
"""No limits at all; tests set those they are about."""


class LaneBed:
    def __init__(self, client: Redis, name: str = "test") -> None:
        self.client = client
        self.store = LaneStore(client, name)
        self.now_ms = START_MS
        self.admitted: list[Ticket] = []

    async def build(self, idle_s: float = 3600.0, **limits: Any) -> LaneBed:
        """An empty lane with full buckets."""
        await self.store.set_clock(self.now_ms)
        assert await self.store.open("epoch", limits_of(**limits), idle_s) == "OK"
        assert (await self.store.close("epoch")).status == "OK"
        return self

    async def pass_s(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)
        await self.store.set_clock(self.now_ms)

    async def enqueue(self, ticket: str, user: str = "ann", **more: Any) -> Enqueued:
        answer = await self.store.enqueue(a_request(ticket, user, **more))
        self.admitted += answer.drained.admitted
        return answer

    async def drain(self, limit: int = 50) -> list[str]:
        """The tickets that may start now, in order."""
        drained = await self.store.drain(limit)
        self.admitted += drained.admitted
        return names(drained)

    def ticket(self, name: str) -> Ticket:
        """The newest admission of a ticket."""
        return next(ticket for ticket in reversed(self.admitted) if ticket.generation_id == name)

    async def start(self, name: str, holder: str = "worker") -> str:
        answer = await self.store.start(self.ticket(name), holder)
        self.admitted += answer.drained.admitted
        return answer.status

    async def settle(self, name: str, used: Used | None = None, *, good: bool = True) -> list[str]:
        """The tickets that may start because this one is over."""
        answer = await self.store.settle(self.ticket(name), used or Used(), good=good)
        self.admitted += answer.drained.admitted
        return names(answer.drained)

    async def run(self, name: str, used: Used | None = None) -> list[str]:
        assert await self.start(name) == "OK"
        return await self.settle(name, used)

    async def requeue(self, name: str, penalty: Penalty | None = None) -> list[str]:
        answer = await self.store.requeue(self.ticket(name), penalty or Penalty())
        self.admitted += answer.drained.admitted
        return names(answer.drained)

    async def requeue_by_row(self, name: str) -> None:
        """Its row says that it waits, whoever had it."""
        answer = await self.store.requeue(Ticket(name, 0), Penalty())
        self.admitted += answer.drained.admitted

    async def snapshot(self) -> Snapshot:
        return await self.store.snapshot(100)

    async def level(self, budget: str) -> float:
        return (await self.snapshot()).buckets[budget].level

    async def keys(self) -> set[str]:
        return {key.decode().rpartition(":")[2] async for key in self.client.scan_iter("lane:*")}


def limits_of(**limits: Any) -> LaneLimits:
    """No limits but these."""
    return replace(OPEN, **limits)


def a_request(ticket: str, user: str = "ann", **more: Any) -> Request:
    values = {"input_tokens": 100, "output_tokens": 100, "cost": 600} | more
    return Request(ticket, user, **values)


def a_restored(request: Request, tag: int | None, seq: int = 0, **more: Any) -> Restored:
    values = {"running": False, "admission": 0, "queued_ms": START_MS, "admitted_ms": 0} | more
    return Restored(request, place=None if tag is None else Place(tag, seq), **values)


def names(drained: Drained) -> list[str]:
    return [ticket.generation_id for ticket in drained.admitted]
