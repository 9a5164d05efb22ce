"""One stream as one viewer of the load client follows it, and the cheap reading of frames. No I/O.

The rules are those of the protocol (`tests/acceptance/stream_view.py` is the plain version); this one keeps what a
measurement needs and defers everything that can wait until after it.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

STAMP = re.compile(r"@(\d{19});")
TERMINAL = frozenset({"stream.completed", "stream.stopped", "stream.interrupted", "stream.failed", "stream.expired"})


class Followed:
    """`apply` returns False for a hole. `times` are the arrivals of `texts`, in nanoseconds of the wall clock."""

    __slots__ = (
        "asked_ns",
        "attempt",
        "end",
        "ended_ns",
        "epoch",
        "events",
        "first_ns",
        "generation",
        "question",
        "seq",
        "seqs",
        "texts",
        "times",
    )  # fmt: skip

    def __init__(self, generation: str) -> None:
        self.generation = generation
        self.question = ""
        self.asked_ns = self.first_ns = self.ended_ns = 0
        self.attempt = self.seq = 0
        #: Text events that came as they were logged (a merged one counts once).
        self.events = 0
        self.epoch: str | None = None
        self.end: dict[str, Any] | None = None
        self.texts: list[str] = []
        self.times: list[int] = []
        self.seqs: list[int] = []

    def apply(self, frame: dict[str, Any], now: int) -> bool:
        kind = frame["type"]
        if kind == "stream.snapshot":
            self._snapshot(frame, now)
            return True
        if "position" not in frame:
            return True
        attempt, _, seq = frame["position"].partition("-")
        at = (int(attempt), int(seq))
        if at <= (self.attempt, self.seq):
            return True
        if kind == "stream.delta" and "follows" not in frame:
            if at != (self.attempt, self.seq + 1):
                return False
        elif not self._follows(frame, at):
            return False
        self.attempt, self.seq = at
        if kind == "stream.delta":
            self._text(frame["text"], now)
        elif kind in TERMINAL:
            self.end, self.ended_ns = frame, now
        return True

    def _follows(self, frame: dict[str, Any], at: tuple[int, int]) -> bool:
        if "follows" in frame:
            return bool(frame["follows"] == f"{self.attempt}-{self.seq}")
        return at == (self.attempt, self.seq + 1)

    def _text(self, text: str, now: int) -> None:
        if not self.first_ns:
            self.first_ns = now
        self.events += 1
        self.texts.append(text)
        self.times.append(now)
        self.seqs.append(self.seq)

    def _snapshot(self, frame: dict[str, Any], now: int) -> None:
        if frame["part"] == 0:
            self.texts, self.times, self.seqs = [], [], []
        if frame["text"]:
            self._text(frame["text"], now)
        if frame["last"]:
            attempt, _, seq = frame["position"].partition("-")
            self.attempt, self.seq, self.epoch = int(attempt), int(seq), frame["epoch"]

    @property
    def is_whole(self) -> bool:
        """Whether the text is the one that the end vouches for."""
        if self.end is None:
            return False
        return hashlib.sha256("".join(self.texts).encode()).hexdigest() == self.end["sha256"]

    def tokens(self) -> list[tuple[int, int, int]]:
        """Of each stamped token: the seq it came with, when the provider sent it and when it arrived here."""
        return [
            (seq, int(stamp), arrived)
            for seq, text, arrived in zip(self.seqs, self.texts, self.times, strict=True)
            for stamp in STAMP.findall(text)
        ]


class Reader:
    """Parses messages. With `shared`, equal bytes are parsed once: a thousand viewers of one stream get the same."""

    MEMORY = 512

    def __init__(self, shared: bool) -> None:
        self._known: dict[bytes, Any] | None = {} if shared else None

    def read(self, message: bytes) -> Any:
        known = self._known
        if known is None:
            return json.loads(message)
        parsed = known.get(message)
        if parsed is None:
            if len(known) >= self.MEMORY:
                known.clear()
            parsed = known[message] = json.loads(message)
        return parsed
