"""Admitted tickets become Celery messages. A message is a wake-up: lost or doubled, nothing changes (DESIGN law 4).

Whoever asks a lane something starts those who may start because of it. Nobody else starts a generation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from django.db import DatabaseError
from kombu.exceptions import KombuError
from redis import RedisError

from streaming import conf, database, lane_tickets, lanes, wake_ups
from streaming.lane_store import LaneStore
from streaming.lane_tickets import Entry
from streaming.lane_values import Answer, Enqueued, LaneLost, Penalty, Ticket

T = TypeVar("T")
Operation = Callable[[LaneStore], Awaitable[Answer | None]]
"""A call of a lane's store; None where it lets nobody start."""
_AWAY: Final = (TimeoutError, OSError, RedisError, KombuError, LaneLost, DatabaseError)
_WAITING: Final = frozenset("qp")
"""States of a ticket, named in lua/lane_moves.lua."""
log = logging.getLogger(__name__)


async def enqueue(generation_id: str) -> bool:
    """Give a QUEUED generation its place, and start whatever may start now. Never raises; False: the queue is away, and
    the pacer's reconciliation will find the row."""
    return await _guarded(_enqueue(generation_id)) is not None


async def wake(generation_id: str) -> bool:
    """The same for a row whose wake-up is due, or whose worker is lost: if its lane still has the newest attempt for a
    running one, its ticket goes back to its old place."""
    return await _guarded(_wake(generation_id)) is not None


async def cancel(generation_id: str) -> bool:
    """Its row has ended while it waited: the place is free. Never raises."""
    return await _guarded(_cancel(generation_id)) is not None


async def end(generation_id: str) -> bool:
    """Have a worker end what would wait for nothing: it has text, and was stopped or is overdue. Never raises."""
    return await _guarded(_end(generation_id)) is not None


async def ask(lane: str, operation: Operation) -> Answer | None:
    """One operation of a lane with what follows from it. Never raises; None: the queue is away."""
    return await _guarded(_ask(lane, operation))


async def start(tickets: Iterable[Ticket]) -> None:
    """Raises what Redis or Celery raises; the lane then hands them over again."""
    await wake_ups.send(list(tickets))


async def _guarded(work: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(conf.get().enqueue_timeout_s):
            return await work
    except _AWAY as error:
        log.warning("the queue is away (%s): waiting generations stay in the database", type(error).__name__)
        return None


async def _enqueue(generation_id: str) -> bool:
    entry = lane_tickets.take_remembered(generation_id) or await database.call(lane_tickets.entry_of, generation_id)
    if entry is not None:
        await _enter(entry)
    return True


async def _enter(entry: Entry) -> None:
    if not entry.lane:
        await start([Ticket(entry.request.ticket)])
        return
    answer = await lanes.store(entry.lane).enqueue(entry.request)
    await start(answer.drained.untold)
    await _write_place(entry, answer)


async def _write_place(entry: Entry, answer: Enqueued) -> None:
    """Only of who has to wait: the others would pay for a write that nobody reads."""
    ticket, place = entry.request.ticket, answer.place
    starts = any(admitted.generation_id == ticket for admitted in answer.drained.admitted)
    if answer.state in _WAITING and not starts and place is not None and place != entry.place:
        await database.call(lane_tickets.write_place, ticket, place)


async def _wake(generation_id: str) -> bool:
    entry = await database.call(lane_tickets.entry_of, generation_id)
    if entry is not None and not (entry.lane and entry.admission and await _put_back(entry)):
        await _enter(entry)
    return True


async def _put_back(entry: Entry) -> bool:
    """Whether the lane knows it. Its attempt has lost it or given it back: that admission is over, if it is the newest
    one. (Without naming one, this could take the ticket from a run that is just about to claim its row.)"""
    ticket = Ticket(entry.request.ticket, entry.admission)
    answer = await _ask(entry.lane, lambda lane: lane.requeue(ticket, Penalty()))
    return answer is not None and answer.status != "GONE"


async def _cancel(generation_id: str) -> bool:
    lane = await database.call(lane_tickets.lane_of, generation_id)
    if lane:
        await _ask(lane, lambda store: store.cancel(generation_id))
    return True


async def _end(generation_id: str) -> bool:
    await _cancel(generation_id)
    return await _enqueue(generation_id)


async def _ask(lane: str, operation: Operation) -> Answer | None:
    answer = await operation(lanes.store(lane))
    if answer is not None:
        await start(answer.drained.untold)
    return answer
