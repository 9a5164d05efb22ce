"""Admitted tickets become Celery messages. A message is a wake-up: lost or doubled, nothing changes (DESIGN law 4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from celery import current_app
from kombu.exceptions import KombuError
from redis import RedisError

from streaming import conf, lanes
from streaming.lane_values import Ticket

TASK_NAME: Final = "streaming.run_generation"
log = logging.getLogger(__name__)

# kombu is synchronous and may hang for its socket timeout when Redis does: two threads of our own, never the loop.
_executor = ThreadPoolExecutor(2, thread_name_prefix="dispatcher")


async def enqueue(generation_id: str) -> bool:
    """Give a QUEUED generation its place, and start whatever may start now. Never raises; False: the queue is away, and
    the pacer's reconciliation will find the row."""
    return await _guarded(lanes.get().enqueue(generation_id))


async def settle(ticket: Ticket) -> bool:
    """Give a place back, and start whatever may start because of it. Never raises."""
    return await _guarded(lanes.get().settle(ticket))


async def _guarded(admitted: Awaitable[list[Ticket]]) -> bool:
    try:
        async with asyncio.timeout(conf.get().enqueue_timeout_s):
            await _start(await admitted)
    except (TimeoutError, OSError, RedisError, KombuError) as error:
        log.warning("the queue is away (%s): waiting generations stay in the database", type(error).__name__)
        return False
    return True


async def _start(tickets: list[Ticket]) -> None:
    loop = asyncio.get_running_loop()
    for ticket in tickets:
        await loop.run_in_executor(_executor, _send, ticket)


def _send(ticket: Ticket) -> None:
    current_app.send_task(TASK_NAME, args=(ticket.generation_id, ticket.admission), retry=False)
