"""The project's settings with room for tests that ask without a pause, less patience with programs that left, and more
with silent providers and long lines than any test has."""

from chatsite.settings import *  # noqa: F403
from chatsite.settings import STREAMING as _STREAMING

API = {"requests_per_minute": 500, "grace_s": 2.0}
STREAMING = {
    **_STREAMING,
    "max_wait_s": 1e9,
    **{f"{what}_timeout_s": 900.0 for what in ("first_text", "between_text", "answer")},
}
