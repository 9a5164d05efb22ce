"""The Celery messages that wake workers up, one for each ticket that may start.

Celery sends from a thread, through kombu, on a connection of its own: in a process that has just been idle this takes
2 ms, for which the first word waits. So what Celery would send is learned from Celery, once per process. A lane writes
it to the queue's list in the same step in which it lets a ticket start, so that nobody can die in between; for tickets
without a lane the loop does. Celery sends where that would not be the same: its broker is another server or names its
lists otherwise, or somebody listens to its sending (tracing, for example).
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from queue import Empty
from typing import Any, Final

from celery import current_app, signals
from kombu.connection import Connection

from streaming import conf, redis_client
from streaming.lane_values import Ticket

TASK_NAME: Final = "streaming.run_generation"
#: Stand-ins, which lua/lane_moves.lua knows as well. The admission is a number, so its quotes go with it.
_TICKET, _ADMISSION, _QUOTED_ADMISSION = "@ticket@", "@admission@", r"\"@admission@\""
_LANE, _MS = "@lane@", 1_000_000_000_000_000
_ID = f"{_TICKET}:{_ADMISSION}:{_MS}"

# kombu is synchronous and may hang for its socket timeout when Redis does: two threads of our own, never the loop.
_executor = ThreadPoolExecutor(2, thread_name_prefix="wake-ups")


def preload() -> None:
    """Learning the message takes some 90 ms: not on a loop, when the first question comes."""
    letter("")


def letter(lane: str) -> tuple[str, str] | None:
    """The queue's list and the message with which a lane wakes a worker; None: Celery has to."""
    envelope = _envelope() if _is_ours() else None
    return (envelope.queue, envelope.of(lane)) if envelope is not None else None


async def send(tickets: Sequence[Ticket]) -> None:
    """For those of which no lane has told the workers. Raises what Redis or Celery raises."""
    if not tickets:  # most of what a lane is told lets nobody start
        return
    envelope = _envelope() if _is_ours() else None
    if envelope is not None:
        await redis_client.get().lpush(envelope.queue, *(envelope.around(ticket) for ticket in tickets))
        return
    for ticket in tickets:
        await asyncio.get_running_loop().run_in_executor(_executor, _send_by_celery, ticket)


def check_broker(within_s: float) -> None:
    """Raises what kombu raises if Celery's broker does not answer."""
    with current_app.connection_for_write() as link:
        link.ensure_connection(max_retries=1, interval_start=0, timeout=within_s)


def _now_ms() -> int:
    return round(time.time() * 1000)


def _send_by_celery(ticket: Ticket, **options: Any) -> None:
    # Celery would write out the arguments a second time, for monitors that nobody runs.
    words = {"argsrepr": ticket.generation_id, "kwargsrepr": "", "retry": False}
    arguments = [ticket.generation_id, ticket.admission, ticket.lane, _now_ms()]
    current_app.send_task(TASK_NAME, args=arguments, **words, **options)


def _is_ours() -> bool:
    """Whether the broker's list is where our own client writes, and nobody wants to hear of it."""
    if signals.before_task_publish.receivers or signals.after_task_publish.receivers:
        return False
    return _is_there(conf.get().redis_url)


@cache
def _is_there(redis_url: str) -> bool:
    """Celery's settings stay as they are while a process lives; to ask them takes 50 µs."""
    settings = current_app.conf
    broker = str(settings.broker_write_url or settings.broker_url).replace("redis+socket://", "unix://")
    return broker == redis_url and "global_keyprefix" not in settings.broker_transport_options


@dataclass(frozen=True, slots=True)
class _Envelope:
    """A message of Celery's with stand-ins for what differs from ticket to ticket."""

    queue: str
    message: str

    def of(self, lane: str) -> str:
        """What is left to fill in is the ticket."""
        named = json.dumps(json.dumps(lane)[1:-1])[1:-1]  # a string within a string
        return self.message.replace(str(_MS), str(_now_ms())).replace(_LANE, named)

    def around(self, ticket: Ticket) -> str:
        filled, number = self.of(ticket.lane).replace(_TICKET, ticket.generation_id), str(ticket.admission)
        return filled.replace(_QUOTED_ADMISSION, number).replace(_ADMISSION, number)


@cache
def _envelope() -> _Envelope | None:
    """Celery sends into this process's memory, where the message looks as it does in Redis. None: Celery's settings
    lead it to another queue than the worker's usual one."""
    queue = str(current_app.conf.task_default_queue)
    link = Connection("memory://")  # type: ignore[no-untyped-call]
    with link, current_app.amqp.Producer(link, auto_declare=False) as producer:
        _send_by_celery(Ticket(_TICKET), task_id=_ID, producer=producer)
        try:
            message = link.default_channel._get(queue)  # type: ignore[no-untyped-call]
        except Empty:
            return None
    _, _, options = json.loads(base64.b64decode(message["body"]))
    message["body"] = json.dumps([[_TICKET, _ADMISSION, _LANE, _MS], {}, options])
    # As it is, which kombu reads as well: a lane's script could not fill in what is encoded.
    message["properties"] |= {"delivery_tag": _ID, "body_encoding": None}
    return _Envelope(queue, json.dumps(message))
