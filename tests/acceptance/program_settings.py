"""The project's settings with room for tests that ask without a pause, and less patience with programs that left."""

from chatsite.settings import *  # noqa: F403

API = {"requests_per_minute": 500, "grace_s": 2.0}
