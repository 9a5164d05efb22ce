"""Why an attempt ended, beside what a provider or the log may say; and what that makes of the generation. Pure."""

from __future__ import annotations

from typing import Final

from streaming.errors import StopRequested, StreamingError, Vetoed
from streaming.states import Status


class TextFull(StreamingError):
    """The answer reached the size limit: it is cut, and complete."""

    code = "length"


class Draining(StreamingError):
    """This worker process shuts down."""

    code = "worker_shutdown"
    message = "The server was restarted while answering."
    retryable = True


class WorkerLost(StreamingError):
    """The worker of an earlier attempt died, and the answer is not to be continued."""

    code = "worker_lost"
    message = "The server that was answering is gone."
    retryable = True


class Overdue(StreamingError):
    """It waited until the queue's deadline."""

    code = "expired"
    message = "It waited too long and was given up."
    retryable = True


class QueueAway(StreamingError):
    """Redis could not be reached for the beginning: this attempt showed nobody anything, so waiting loses nothing."""

    code = "queue_away"
    message = "The server lost its connection to the queue."
    retryable = True


#: These hand the generation back at once, for another worker or for later.
HANDED_BACK: Final = (Draining, QueueAway)


def verdict(error: StreamingError | None, text: str, finish_reason: str) -> tuple[Status, str, StreamingError | None]:
    """Status, reason, and the error that people are told of. No error: the provider's own end was seen."""
    if error is None:
        return Status.COMPLETED, finish_reason, None
    if isinstance(error, TextFull):
        return Status.COMPLETED, "length", None
    if isinstance(error, StopRequested):
        return Status.STOPPED, "stopped", None
    if isinstance(error, Vetoed):
        return Status.STOPPED, "vetoed", error
    if text:
        return Status.INTERRUPTED, error.code, error
    return (Status.EXPIRED if isinstance(error, Overdue) else Status.FAILED), error.code, error
