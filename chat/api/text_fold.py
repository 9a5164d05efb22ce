"""A stream's events as text that only grows: what was given away cannot be taken back. Pure.

Deltas are new text. A snapshot (after Redis lost its memory, or for who comes late) holds all the text again: what is
new of it is given away, and the rest is compared by its hash with what was given before.
"""

from __future__ import annotations

import hashlib
from typing import Final

from streaming.errors import StreamingError
from streaming.events import Delta, Ended, Snapshot, StreamEvent

LOST: Final = "Part of this answer was lost; what you have does not go on. Read the answer again."


class TextLost(StreamingError):
    """What comes does not continue what was given away (DESIGN law 5, its one exception)."""

    code = "text_lost"
    message = LOST


class TextFold:
    def __init__(self) -> None:
        #: Characters given away, and their hash.
        self.chars = 0
        self._given = hashlib.sha256()
        self._parts: list[str] = []
        #: Text that comes again, while it is shorter than what was given away.
        self._again: str | None = None

    def feed(self, event: StreamEvent) -> str:
        """The new text of an event, perhaps empty. Raises TextLost."""
        if isinstance(event, Delta):
            return self._give(event.text) if self._again is None else self._compare(self._again + event.text)
        if isinstance(event, Snapshot):
            self._parts.append(event.text)
            if event.last:
                whole, self._parts = "".join(self._parts), []
                return self._compare(whole)
        if isinstance(event, Ended):
            self._end(event)
        return ""

    def _compare(self, whole: str) -> str:
        if len(whole) < self.chars:
            self._again = whole
            return ""
        self._again = None
        if self.chars and hashlib.sha256(whole[: self.chars].encode()).digest() != self._given.digest():
            raise TextLost
        return self._give(whole[self.chars :])

    def _give(self, text: str) -> str:
        self._given.update(text.encode())
        self.chars += len(text)
        return text

    def _end(self, event: Ended) -> None:
        if self._given.hexdigest() != event.sha256:
            raise TextLost
