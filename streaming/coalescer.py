"""From the provider's deltas to chunks for eye and wire: the first text at once, then by window, size or boundary.

Pure: the time is an argument. A chunk never ends inside a grapheme: text that ends with a character which may join the
next one (emoji, marks, jamo) keeps that last cluster back until more comes. Latin letters and CJK ideographs are not
kept back (that would cost every stream one character of delay), so an accent that arrives in a later delta of its own
is the one cluster that may be drawn in two steps. The text itself is always whole.
"""

from __future__ import annotations

import re
from typing import Final

import regex

#: A cluster longer than this is text that wants to be held for ever.
CLUSTER_MAX_CHARS: Final = 64
CHUNK_MAX_CHARS: Final = 16_384
"""No chunk is longer: a frame must fit several times into a client's send window."""
BOUNDARY_MAX_CHARS: Final = 400
"""Text without the wanted boundary is not held back beyond this."""

#: Last characters that are shown at once: Latin, Greek-free general punctuation, CJK, kana, Hangul syllables.
_COMPLETE: Final = re.compile(r"[\u0000-\u02ff\u2010-\u2027\u2030-\u205e\u2e80-\u9fff\uac00-\ud7a3]\Z")
_CLUSTERS: Final = regex.compile(r"\X")
_SENTENCE_END: Final = r"(?:[.!?…][\"'”’)\]]*\s|\n|[。！？])"
_BOUNDARIES: Final = {
    "time": None,
    "word": re.compile(r"\s(?=\S*\Z)"),
    "sentence": re.compile(rf"{_SENTENCE_END}(?!.*{_SENTENCE_END})", re.DOTALL),
}


class Coalescer:
    """`push` per delta (cheap), `take` per window. `urgent` says that this stream should not wait for its window."""

    __slots__ = ("_boundary", "_chunk_max", "_pending", "_size", "_taken_at", "_window_s")

    def __init__(self, *, window_s: float, chunk_max_chars: int, boundary: str = "time") -> None:
        self._window_s = window_s
        self._chunk_max = chunk_max_chars
        self._boundary = _BOUNDARIES[boundary]
        self._pending: list[str] = []
        self._size = 0
        self._taken_at = float("-inf")

    def push(self, text: str) -> None:
        self._pending.append(text)
        self._size += len(text)

    def urgent(self, now: float, stretched_s: float = 0.0) -> bool:
        """`stretched_s`: a longer window, while its process is busy."""
        return now - self._taken_at >= max(self._window_s, stretched_s) or self._size >= self._chunk_max

    @property
    def empty(self) -> bool:
        return not self._size

    def take(self, now: float) -> str:
        """The next chunk, perhaps empty (what there is may have to wait for its cluster or boundary)."""
        text = "".join(self._pending)
        cut = self._cut(text)
        return self._split(text, cut, now)

    def flush(self, now: float) -> str:
        """The next chunk without waiting for anything; call until `empty`."""
        text = "".join(self._pending)
        return self._split(text, len(text), now)

    def _cut(self, text: str) -> int:
        cut = len(text)
        if text and not _COMPLETE.search(text, cut - 1):
            cut = last_cluster(text)
        if self._boundary is not None and cut < BOUNDARY_MAX_CHARS:
            found = self._boundary.search(text, 0, cut)
            cut = found.end() if found else 0
        return cut

    def _split(self, text: str, cut: int, now: float) -> str:
        if cut > CHUNK_MAX_CHARS:
            cut = min(last_cluster(text[: CHUNK_MAX_CHARS + 1]), CHUNK_MAX_CHARS)
        chunk, rest = text[:cut], text[cut:]
        self._pending = [rest] if rest else []
        self._size = len(rest)
        if chunk:
            self._taken_at = now
        return chunk


def last_cluster(text: str) -> int:
    """Where the last grapheme cluster of `text` begins; the end of the text if the cluster is unreasonably long."""
    start = max(0, len(text) - CLUSTER_MAX_CHARS)
    begin = start
    for match in _CLUSTERS.finditer(text, start):
        begin = match.start()
    return begin if begin > start or start == 0 else len(text)
