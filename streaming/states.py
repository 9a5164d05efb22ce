"""The states of a generation and the moves between them (DESIGN 5). `lifecycle` is the only one that moves."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    #: Accepted; waits for a place in its lane or for a worker to wake up.
    QUEUED = "queued"
    #: A worker claimed it and is asking the provider; no text yet.
    ADMITTED = "admitted"
    #: The first text was logged.
    STREAMING = "streaming"
    #: The provider's own end marker was seen.
    COMPLETED = "completed"
    #: Somebody stopped it, or a validator did; the text so far stays.
    STOPPED = "stopped"
    #: It broke off after text; the text stays and "try again" makes a new one.
    INTERRUPTED = "interrupted"
    #: It ended without any text.
    FAILED = "failed"
    #: It waited longer than the queue's deadline.
    EXPIRED = "expired"


LIVE: Final = frozenset({Status.QUEUED, Status.ADMITTED, Status.STREAMING})
RUNNING: Final = frozenset({Status.ADMITTED, Status.STREAMING})
TERMINAL: Final = frozenset(Status) - LIVE

TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    Status.QUEUED: frozenset({Status.ADMITTED, Status.STOPPED, Status.EXPIRED, Status.FAILED}),
    Status.ADMITTED: frozenset(
        {Status.STREAMING, Status.QUEUED, Status.STOPPED, Status.FAILED, Status.EXPIRED, Status.COMPLETED}
    ),
    Status.STREAMING: frozenset({Status.QUEUED, Status.COMPLETED, Status.STOPPED, Status.INTERRUPTED}),
    **{status: frozenset[Status]() for status in TERMINAL},
}


def sources_of(target: Status) -> frozenset[Status]:
    """The states from which `target` may be reached in one move."""
    return frozenset(source for source, targets in TRANSITIONS.items() if target in targets)
