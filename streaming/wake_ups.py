"""The Celery messages that wake workers up, one for each ticket that may start.

Celery sends from a thread, through kombu, on a connection of its own: in a process that has just been idle this takes
2 ms, for which the first word waits. So what Celery would send is learned from Celery, once per process, and is then
written to the queue's list by the loop itself, with the tickets put in. Celery sends where that would not be the same:
its broker is another server or names its lists otherwise, or somebody listens to its sending (tracing, for example).
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
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
_ID, _TICKET, _BODY = "the id", "the ticket", "the body"

# kombu is synchronous and may hang for its socket timeout when Redis does: two threads of our own, never the loop.
_executor = ThreadPoolExecutor(2, thread_name_prefix="wake-ups")


async def send(tickets: Sequence[Ticket]) -> None:
    """Raises what Redis or Celery raises."""
    if not tickets:  # most of what a lane is told lets nobody start
        return
    envelope = _envelope() if _is_ours() else None
    if envelope is not None:
        client = redis_client.get()
        await client.lpush(envelope.queue, *(envelope.around(ticket) for ticket in tickets))
        return
    for ticket in tickets:
        await asyncio.get_running_loop().run_in_executor(_executor, _send_by_celery, ticket)


def check_broker(within_s: float) -> None:
    """Raises what kombu raises if Celery's broker does not answer."""
    with current_app.connection_for_write() as link:
        link.ensure_connection(max_retries=1, interval_start=0, timeout=within_s)


def _arguments(ticket: Ticket) -> list[Any]:
    return [ticket.generation_id, ticket.admission, ticket.lane, round(time.time() * 1000)]


def _send_by_celery(ticket: Ticket, **options: Any) -> None:
    # Celery would write out the arguments a second time, for monitors that nobody runs.
    words = {"argsrepr": ticket.generation_id, "kwargsrepr": "", "retry": False}
    current_app.send_task(TASK_NAME, args=_arguments(ticket), **words, **options)


def _is_ours() -> bool:
    """Whether the broker's list is where our own client writes, and nobody wants to hear of it."""
    if signals.before_task_publish.receivers or signals.after_task_publish.receivers:
        return False
    settings = current_app.conf
    broker = str(settings.broker_write_url or settings.broker_url).replace("redis+socket://", "unix://")
    return broker == conf.get().redis_url and "global_keyprefix" not in settings.broker_transport_options


@dataclass(frozen=True, slots=True)
class _Envelope:
    """A message of Celery's with stand-ins for what differs from ticket to ticket."""

    queue: str
    message: str
    options: dict[str, Any]

    def around(self, ticket: Ticket) -> str:
        body = json.dumps([_arguments(ticket), {}, self.options])
        filled = self.message.replace(_BODY, base64.b64encode(body.encode()).decode())
        return filled.replace(_TICKET, ticket.generation_id).replace(_ID, str(uuid.uuid4()))


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
    message["body"] = _BODY
    message["properties"]["delivery_tag"] = _ID
    return _Envelope(queue, json.dumps(message), options)
