"""Celery's door to the engine. The task only hands over; what it does is in `runner`."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from streaming import bridge
from streaming.dispatcher import TASK_NAME


@shared_task(name=TASK_NAME)
def run_generation(generation_id: str, admission: int) -> None:
    bridge.get().run_generation(generation_id, admission)


@worker_ready.connect
def _start(**_: Any) -> None:
    bridge.get()  # now rather than with the first task, whose reader would wait for it


@worker_shutting_down.connect
def _drain(**_: Any) -> None:
    bridge.drain()


@worker_shutdown.connect
def _close(**_: Any) -> None:
    bridge.close()
