"""What a test leaves in a demo that others use after it, above all one that failed: it ends here, in a bounded time.

A conversation whose answer goes on makes the next test's question wait behind it: one failure would be many.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.acceptance.rig import Demo, until

#: The reaper's time for what a worker left that is gone, and that of a worker's start.
ENDED_WITHIN_S = 200.0
_LIVE = "status NOT IN ('completed', 'stopped', 'interrupted', 'failed', 'expired')"


@pytest.fixture(autouse=True)
def leaves_nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    """For a conftest. What fails, fails alone: the next test finds the demo as it would have found it."""
    yield
    demo = getattr(request.node, "funcargs", {}).get("demo")
    if isinstance(demo, Demo):
        clear(demo)


def clear(demo: Demo) -> None:
    """Until no answer runs or waits and every process serves; a demo that has ended is started again. Costs nothing
    where nothing is left."""
    if demo.exit_code is not None:
        demo.start().wait_ready()
    until(lambda: demo.is_whole and not _stopped(demo), "the end of what a test left", ENDED_WITHIN_S)


def _stopped(demo: Demo) -> list[uuid.UUID]:
    """Answers that are not over yet. They are asked to end as operators do it: by their rows, which are read again."""
    if demo.rows("SELECT 1 FROM chat_message WHERE state = 'pending' LIMIT 1"):
        demo.database.change("UPDATE chat_message SET state = 'dropped' WHERE state = 'pending'")
    live = [uuid.UUID(row["id"]) for row in demo.rows(f"SELECT id FROM streaming_generation WHERE {_LIVE}")]
    if live:
        wish = f"UPDATE streaming_generation SET stop_requested_at = ? WHERE stop_requested_at IS NULL AND {_LIVE}"
        demo.database.change(wish, datetime.now(UTC).replace(tzinfo=None).isoformat(" "))
    return live
