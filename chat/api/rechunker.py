"""Text in the pieces that a program wants: words, sentences, so many characters, or whatever came in a while. Pure: the
time is an argument.

No piece ends inside what people see as one character. What a piece still waits for is never kept longer than the
buffer's interval, if it has one, and never more than a bounded amount of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

import regex

By = Literal["none", "word", "sentence", "size", "interval"]
#: A word or sentence that is longer comes in parts: it may be no such thing at all.
UNIT_MAX_CHARS: Final = 2_000
_CLUSTER: Final = regex.compile(r"\X")
#: A word and the white space after it; a sentence likewise. Both are complete once something follows them.
_WORD: Final = re.compile(r"\s*\S+\s+(?=\S)|\s*\S*\n")
_SENTENCE: Final = re.compile(r".*?(?:[.!?…]+[\"'”’)\]]*\s+(?=\S)|\n|[。！？]+(?=[^。！？]))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Buffer:
    """`size`: characters of a piece, if pieces are by size. `interval_s`: nothing is kept longer."""

    by: By = "none"
    size: int = 1
    interval_s: float | None = None


class Rechunker:
    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._kept = ""
        #: When the oldest of what is kept came.
        self._since = 0.0

    def feed(self, text: str, now: float) -> list[str]:
        """The pieces that are complete with this text."""
        if not self._kept:
            self._since = now
        self._kept += text
        pieces = self._complete()
        if pieces:
            self._since = now
        return pieces

    def wait_s(self, now: float) -> float | None:
        """How long until `late` has something; None: until then more text must come."""
        if not self._kept or self._buffer.interval_s is None:
            return None
        return max(0.0, self._since + self._buffer.interval_s - now)

    def late(self, now: float) -> list[str]:
        """What has been kept for the whole interval."""
        wait_s = self.wait_s(now)
        if wait_s is None or wait_s > 0:
            return []
        whole = self._cut(len(self._kept))
        return [whole] if whole else []

    def flush(self) -> list[str]:
        """The rest, at the end."""
        rest, self._kept = self._kept, ""
        return [rest] if rest else []

    def _complete(self) -> list[str]:
        if self._buffer.by == "interval":
            return []
        if self._buffer.by == "none":
            return self.flush()
        if self._buffer.by == "size":
            return self._by_size()
        return self._units(_WORD if self._buffer.by == "word" else _SENTENCE)

    def _units(self, unit: re.Pattern[str]) -> list[str]:
        pieces, at = [], 0
        while found := unit.match(self._kept, at):
            pieces.append(found.group())
            at = found.end()
        self._kept = self._kept[at:]
        if len(self._kept) > UNIT_MAX_CHARS and (part := self._cut(UNIT_MAX_CHARS)):
            pieces.append(part)
        return pieces

    def _by_size(self) -> list[str]:
        """The last cluster may still grow, so one more must follow a piece."""
        ends = [found.end() for found in _CLUSTER.finditer(self._kept)]
        pieces, at, size = [], 0, self._buffer.size
        for number in range(size, len(ends), size):
            pieces.append(self._kept[at : ends[number - 1]])
            at = ends[number - 1]
        self._kept = self._kept[at:]
        return pieces

    def _cut(self, most: int) -> str:
        """Up to `most` characters, but for the last cluster of what there is, unless it is all there is."""
        last = 0
        for found in _CLUSTER.finditer(self._kept):
            if found.end() > most or found.end() == len(self._kept):
                break
            last = found.end()
        part = self._kept[: last or most]
        self._kept = self._kept[len(part) :]
        return part
