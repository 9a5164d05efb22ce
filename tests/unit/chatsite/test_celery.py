"""When a worker says that it is ready, the engine's loop runs already."""

from __future__ import annotations

from celery.signals import celeryd_after_setup, worker_ready

from streaming import tasks


def test_ready_is_said_after_the_engine_has_started() -> None:
    celeryd_after_setup.send(sender="worker", instance=None, conf=None)
    receivers = [reference() for _, reference in worker_ready.receivers]
    names = [f"{receiver.__module__}.{receiver.__name__}" for receiver in receivers if receiver]
    assert names.index(f"{tasks.__name__}._start") < names.index("chatsite.celery._ready")
