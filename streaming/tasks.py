"""Celery's door to the engine. The task only hands over; what it does is in `runner`."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery import current_task, shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from structlog.contextvars import bound_contextvars

from streaming import bridge, conf
from streaming.lane_values import Ticket
from streaming.wake_ups import TASK_NAME
from streaming.worker_probes import WorkerProbes

_probes = WorkerProbes()


@shared_task(name=TASK_NAME)
def run_generation(generation_id: str, admission: int, lane: str, handed_ms: int = 0) -> None:
    with bound_contextvars(task_id=current_task.request.id if current_task else None, generation_id=generation_id):
        bridge.get().run_generation(Ticket(generation_id, admission, lane, handed_ms))


@worker_ready.connect
def _start(sender: Any, **_: Any) -> None:
    running = bridge.get()  # now rather than with the first task, whose reader would wait for it
    running.slots_max = min(running.slots_max, sender.controller.concurrency)
    running.fetch = partial(_fetch, sender)
    running.probes_port = _probes.start(conf.get().worker_probes)


def _fetch(consumer: Any, goes_on: bool) -> None:
    """On Celery's own thread, when it gets there: whoever rests leaves the messages to others."""
    queue = consumer.app.conf.task_default_queue
    consumer.call_soon(consumer.add_task_queue if goes_on else consumer.cancel_task_queue, queue)


@worker_shutting_down.connect
def _drain(**_: Any) -> None:
    bridge.drain()


@worker_shutdown.connect
def _close(**_: Any) -> None:
    _probes.close()  # a late look must not open the bridge again
    bridge.close()
