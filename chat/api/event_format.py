"""The frames of a stream (PROTOCOL.md, "Streams") as server-sent events or as lines of JSON. Pure.

Frames go out as they came, byte for byte; only their head is looked at.
"""

from __future__ import annotations

import json
import re
from typing import Final

from chat.api import sse
from chat.api.cursors import write_cursor
from streaming.events import Snapshot

#: The first fields of every event, in the order in which `streaming.events.encode` writes them.
_HEAD: Final = re.compile(r'\{"type":"([a-z._]+)","generation":"[^"]*"(?:,"position":"(\d+-\d+)")?')
KEEP_ALIVE: Final = "keep-alive"


class EventFormat:
    """One reader's stream: it knows the epoch in which its events stand."""

    def __init__(self, generation: str, epoch: str | None, *, as_lines: bool) -> None:
        self._generation = generation
        self._epoch = epoch
        self.as_lines = as_lines

    def write(self, frame: str) -> str:
        found = _HEAD.match(frame)
        if found is None:
            raise ValueError("not a frame of a stream")
        kind, position = found.groups()
        if kind == Snapshot.TYPE:
            snapshot = json.loads(frame)
            self._epoch = snapshot["epoch"] or None
            if not snapshot["last"]:  # who is cut off in the middle of a snapshot is not yet where it leads
                position = None
        id = write_cursor(self._generation, position, self._epoch) if position else None
        if not self.as_lines:
            return sse.event(kind, frame, id)
        # The same for who reads lines: the id stands in the object.
        return f'{frame[:-1]},"id":"{id}"}}\n' if id else f"{frame}\n"

    def silence(self) -> str:
        """An empty line is skipped by readers of lines, as a comment is by those of events."""
        return "\n" if self.as_lines else sse.comment(KEEP_ALIVE)

    def cut(self, problem: str) -> str:
        """`problem`: JSON. The last event of a stream that we had to end; the answer itself may go on."""
        return f'{{"type":"error","error":{problem}}}\n' if self.as_lines else sse.event("error", problem)


def head_of(frames: list[str]) -> str | None:
    """The last position among some frames."""
    positions = [found[2] for frame in frames if (found := _HEAD.match(frame)) and found[2]]
    return positions[-1] if positions else None


def begins_anew(frames: list[str]) -> bool:
    """Whether the text comes from its beginning: continuity could not be proven."""
    return any((found := _HEAD.match(frame)) and found[1] == Snapshot.TYPE for frame in frames)
