"""What one process knows of one stream: where it ends, in which epoch, and its recent events. Pure.

Here, and nowhere else, is decided whether an event continues what came before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from streaming.catch_up import TERMINAL, Logged, chain, follows, reaches
from streaming.events import START, Position
from streaming.flow_control import size_of

#: About ten seconds of a fast stream: longer than a read of the log takes.
RECENT_EVENTS: Final = 512
RECENT_BYTES: Final = 262_144


class Event(NamedTuple):
    position: Position
    kind: str
    frame: str
    size: int


class LogPart(NamedTuple):
    """A log's head and its events after some position. `from_memory`: Redis is away and these are the recent ones."""

    epoch: str | None
    last: Position
    closed: bool
    events: Sequence[Logged]
    from_memory: bool = False


class Verdict(Enum):
    FITS = auto()
    #: It fits, and it is the first that names an epoch.
    FITS_AND_NAMES_EPOCH = auto()
    KNOWN = auto()
    #: Something is missing before it, or the log is another one.
    MISFIT = auto()


class Timeline:
    def __init__(self) -> None:
        self.epoch: str | None = None
        self.last = START
        #: Row and log were read, so that `last` means something.
        self.synced = False
        #: The terminal event was seen.
        self.closed = False
        self._recent: deque[Event] = deque()
        self._bytes = 0

    def judge(self, event: Event, epoch: str) -> Verdict:
        """An empty epoch says nothing about the log: the event was made from the row."""
        if not self.synced:
            return Verdict.MISFIT
        if epoch == self.epoch or not epoch:
            if event.position <= self.last:
                return Verdict.KNOWN
            return Verdict.FITS if follows(event, self.last) else Verdict.MISFIT
        if self.epoch is None and follows(event, self.last):
            return Verdict.FITS_AND_NAMES_EPOCH
        return Verdict.MISFIT

    def accept(self, event: Event) -> None:
        """Take an event that fits."""
        self.last = event.position
        self._remember(event)
        if event.kind == TERMINAL:
            self.closed = True

    def adopt(self, log: LogPart, row_position: Position) -> tuple[list[Event], bool]:
        """What was read: the events that are new and fit, to be accepted one by one; and whether whoever stands at
        `last` can go on from there. If not, the timeline has moved to the end of the log."""
        if log.epoch is None:
            if self.epoch is not None:
                return [], True  # it went away; what comes next will be of another epoch
            stands = self.synced and self.last == row_position
            self._move(log._replace(last=row_position))
            return [], stands
        if not self.synced or log.epoch != self.epoch:
            self._move(log)
            return [], False
        linked = chain(log.events, self.last)
        if (linked[-1].position if linked else self.last) < log.last:
            self._move(log)
            return [], False
        return [_event(entry) for entry in linked], True

    def recent_part(self, position: Position) -> LogPart | None:
        """What a read of the log would have shown when the newest event came; None if that is not known."""
        if not self.synced or self.epoch is None:
            return None
        return LogPart(self.epoch, self.last, self.closed, self.recent(position), from_memory=True)

    def recent(self, position: Position) -> list[Event]:
        """Recent events after `position`; they need not reach back to it."""
        newer: list[Event] = []
        for event in reversed(self._recent):
            if event.position <= position:
                break
            newer.append(event)
        newer.reverse()
        return newer

    def bridge(self, position: Position) -> list[Logged] | None:
        """Everything from `position` to `last`; None if the recent events do not reach back so far."""
        linked = chain(self.recent(position), position)
        return linked if reaches(linked, position, self.last) else None

    def _move(self, log: LogPart) -> None:
        self.epoch, self.last, self.closed, self.synced = log.epoch, log.last, log.closed, True
        self._recent.clear()
        self._bytes = 0
        for event in _unbroken_end(log.events[-RECENT_EVENTS:]):
            self._remember(event)

    def _remember(self, event: Event) -> None:
        recent = self._recent
        recent.append(event)
        self._bytes += event.size
        while len(recent) > RECENT_EVENTS or self._bytes > RECENT_BYTES:
            self._bytes -= recent.popleft().size


def _event(entry: Logged) -> Event:
    return Event(entry.position, entry.kind, entry.frame, size_of(entry.frame))


def _unbroken_end(events: Iterable[Logged]) -> list[Event]:
    """The longest run without a hole at the end of `events`."""
    run: list[Event] = []
    for entry in events:
        if run and not follows(entry, run[-1].position):
            run = []
        run.append(_event(entry))
    return run
