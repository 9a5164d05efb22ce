"""Server-sent events, the part of the format that vendors use: bytes in, the data of each complete event out.

Everything else of an event (name, id, retry, comments) is left out: both vendors repeat the name inside the data. An
event without data is none, and one that the end of the stream cuts off is dropped, both as the standard says.
"""

from __future__ import annotations

#: A server that never ends its line would fill the memory.
EVENT_MAX_BYTES = 16 * 1024 * 1024


class EventDecoder:
    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that end in this chunk. Raises ValueError if one is too large."""
        first, *lines = chunk.split(b"\n")
        self._line.append(first)
        self._size += len(chunk)
        if self._size > EVENT_MAX_BYTES:
            raise ValueError("the event is too large")
        if not lines:
            return []
        lines.insert(0, b"".join(self._line))
        self._line = [lines.pop()]
        return self._events(lines)

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        for line in lines:
            # A space after the colon and a \r at the end are white space to JSON too, so nothing is stripped here.
            if line.startswith(b"data:"):
                self._data.append(line[5:])
            elif self._data and not line.rstrip(b"\r"):
                events.append(b"\n".join(self._data))
                self._data, self._size = [], 0
        return events
