"""What one client knows of one stream: the rules of PROTOCOL.md, folded frame by frame, without any I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

from streaming.events import START, Position
from tests.shown_blocks import ShownBlocks

Outcome = Literal["applied", "dropped", "hole"]
TERMINAL = frozenset({"stream.completed", "stream.stopped", "stream.interrupted", "stream.failed", "stream.expired"})


@dataclass(slots=True)
class StreamView:
    generation: str
    text: str = ""
    position: Position = START
    epoch: str | None = None
    end: dict[str, Any] | None = None
    #: Frames applied, by type; and frames that were already known.
    counts: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    holes: int = 0
    #: Snapshots that said that continuity could not be proven.
    unrecovered: int = 0
    #: The text after each applied frame that changed it, if `keep_history` is set: what the person saw.
    keep_history: bool = False
    history: list[str] = field(default_factory=list)
    shown: ShownBlocks = field(default_factory=ShownBlocks)
    _parts: list[str] = field(default_factory=list)
    _blocks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> str | None:
        """The terminal state, as its event is called; None while it runs."""
        return str(self.end["type"]).removeprefix("stream.") if self.end else None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def is_whole(self) -> bool:
        return self.end is not None and self.end["sha256"] == self.sha256

    def apply(self, frame: dict[str, Any]) -> Outcome:
        outcome = self._snapshot(frame) if frame["type"] == "stream.snapshot" else self._event(frame)
        if outcome == "applied":
            self.counts[frame["type"]] = self.counts.get(frame["type"], 0) + 1
            if self.keep_history and (not self.history or self.history[-1] != self.text):
                self.history.append(self.text)
        return outcome

    def _event(self, frame: dict[str, Any]) -> Outcome:
        if "position" not in frame:
            return "applied"  # ephemeral: queued
        position = Position.parse(frame["position"])
        if position <= self.position:
            self.dropped += 1
            return "dropped"
        if self._follows(frame, position) != self.position:
            self.holes += 1
            return "hole"
        self.position = position
        if frame["type"] == "stream.delta":
            self.text += frame["text"]
            self.shown.more_text(frame["text"])
        elif frame["type"] == "stream.block":
            self.shown.block(frame["index"], frame["lines"], frame.get("html"))
        elif frame["type"] in TERMINAL:
            self.end = frame
        return "applied"

    def _follows(self, frame: dict[str, Any], position: Position) -> Position:
        if "follows" in frame:
            return Position.parse(frame["follows"])
        return Position(position.attempt, position.seq - 1)

    def _snapshot(self, frame: dict[str, Any]) -> Outcome:
        """Replaces everything once its last part is there."""
        if frame["part"] == 0:
            self._parts, self._blocks = [], []
        self._parts.append(frame["text"])
        self._blocks += frame.get("blocks", [])
        if frame["last"]:
            self.text, self._parts = "".join(self._parts), []
            self.shown.snapshot(self.text, self._blocks)
            self.position, self.epoch = Position.parse(frame["position"]), frame["epoch"]
            self.unrecovered += not frame["recovered"]
        return "applied"
