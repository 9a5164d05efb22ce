"""The Celery app; docker-compose.yml and `manage.py demo` have the words that start its worker."""

import os
from typing import Any

from celery import Celery
from celery.signals import celeryd_after_setup, worker_ready

from chatsite.readiness import say_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

app = Celery("chatsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["streaming"])


@celeryd_after_setup.connect  # type: ignore[untyped-decorator]
def _say_ready_last(**_: Any) -> None:
    """Receivers are called in the order in which they were connected. The tasks' own starts the engine's loop and loads
    the SDKs: it must have ended before anybody hears that this worker is ready."""
    worker_ready.connect(_ready)


def _ready(**_: Any) -> None:
    say_ready()
