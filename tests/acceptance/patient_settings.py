"""The project's settings, for a demo that gives its children far more time to end than a test waits for."""

from chatsite.demo import supervisor
from chatsite.settings import *  # noqa: F403

supervisor.STOP_GRACE_S = 1000.0
