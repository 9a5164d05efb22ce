"""A pure model of one generation: row, log, writers. What a store must refuse is decided here, and nowhere by goodwill.

It keeps to DESIGN's laws and uses the real table of moves, the real events and the real rules of catching up.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from streaming.catch_up import chain, merge, reaches
from streaming.events import START, Completed, Delta, Ended, Position, Snapshot, Started, Stopped, decode, encode
from streaming.states import RUNNING, TERMINAL, Status, sources_of

ID = "g"


class Logged(NamedTuple):
    position: Position
    kind: str
    frame: str


@dataclass
class Log:
    """As the append script sees it."""

    epoch: str
    attempt: int
    last: int
    closed: bool = False
    entries: list[Logged] = field(default_factory=list)

    @property
    def head(self) -> Position:
        return Position(self.attempt, self.last)


@dataclass
class Row:
    status: Status = Status.QUEUED
    attempt: int = 0
    text: str = ""
    position: Position = START
    stop_requested: bool = False
    sha256: str = ""

    def move(self, to: Status, attempt: int) -> bool:
        """The compare-and-set of every move."""
        if self.attempt != attempt or self.status not in sources_of(to):
            return False
        self.status = to
        return True

    @property
    def end(self) -> Ended:
        kind = Stopped if self.status is Status.STOPPED else Completed
        return kind(generation=ID, position=self.position, bytes=len(self.text.encode()), sha256=self.sha256)


@dataclass
class Writer:
    """A worker's hold on one attempt: what it believes, right or wrong."""

    attempt: int
    text: str
    seq: int = 0
    words: int = 0
    #: Killed: it does nothing any more. Frozen: it does nothing until it thaws, and then everything it believes in.
    alive: bool = True
    frozen: bool = False

    def next_word(self) -> str:
        self.words += 1
        return f"{self.attempt}.{self.words} "


class Store:
    """Rows never lose anything; `log` may vanish at any time."""

    def __init__(self) -> None:
        self.row: Row | None = None
        self.log: Log | None = None
        self.writers: list[Writer] = []
        self.epochs = 0
        self.refused = 0
        #: Frames that were published and not yet handed to readers.
        self.published: list[Logged] = []

    @property
    def holder(self) -> Writer | None:
        """Who may write, if he lives."""
        row = self.row
        found = [w for w in self.writers if row is not None and row.status in RUNNING and w.attempt == row.attempt]
        return found[0] if found else None

    def claim(self) -> None:
        row = self.row
        assert row is not None
        if not row.move(Status.ADMITTED, row.attempt):
            return
        row.attempt += 1
        before, text = row.position, row.text
        if self.log is not None:  # begin: fences the old ones off, then what they left is folded in
            text, before = text + self.text_after(row.position), max(row.position, self.log.head)
            self.log.attempt, self.log.last = row.attempt, 0
        else:
            self.log = Log(self.new_epoch(), row.attempt, 0)
        writer = Writer(row.attempt, text)
        self.writers.append(writer)
        started = Started(
            generation=ID, position=Position(row.attempt, 1), attempt=row.attempt, follows=before, model="m"
        )
        self.append(writer, "o", encode(started))

    def new_epoch(self) -> str:
        self.epochs += 1
        return f"e{self.epochs}"

    def text_after(self, position: Position) -> str:
        assert self.log is not None
        events = [decode(entry.frame) for entry in self.log.entries if entry.position > position]
        return "".join(event.text for event in events if isinstance(event, Delta))

    def append(self, writer: Writer, kind: str, frame: str) -> str:
        """The script's checks, in its order; returns its answer."""
        log, seq = self.log, writer.seq + 1
        if log is None:
            return "LOST"
        if log.attempt != writer.attempt:
            self.refused += 1
            return "FENCED"
        if log.closed:
            return "CLOSED"
        if seq > log.last + 1:
            return "GAP"
        entry = Logged(Position(writer.attempt, seq), kind, frame)
        log.entries.append(entry)
        log.last = writer.seq = seq
        log.closed = kind == "x"
        self.published.append(entry)
        return "OK"

    def write(self, writer: Writer) -> None:
        """One more word, through a lost log if need be."""
        word = writer.next_word()
        delta = Delta(generation=ID, position=Position(writer.attempt, writer.seq + 1), text=word)
        answer = self.append(writer, "d", encode(delta))
        if answer == "LOST" and self.checkpoint(writer, writer.text + word, writer.seq + 1):
            self.log = Log(self.new_epoch(), writer.attempt, writer.seq + 1)
            writer.seq += 1
            answer = "OK"
        if answer == "OK":
            writer.text += word
        else:
            writer.alive = False  # it lost its place, and knows it now

    def checkpoint(self, writer: Writer, text: str, seq: int) -> bool:
        row = self.row
        assert row is not None
        if row.attempt != writer.attempt or row.status not in RUNNING:
            self.refused += 1
            return False
        row.text, row.position = text, Position(writer.attempt, seq)
        return True

    def finish(self, writer: Writer, status: Status, *, dies_before_event: bool = False) -> None:
        row = self.row
        assert row is not None
        writer.alive = False
        if row.status is Status.ADMITTED and writer.attempt == row.attempt and writer.text:
            row.move(Status.STREAMING, writer.attempt)
        if not row.move(status, writer.attempt):
            self.refused += 1
            return
        row.text, row.position = writer.text, Position(writer.attempt, writer.seq + 1)
        row.sha256 = hashlib.sha256(row.text.encode()).hexdigest()
        if not dies_before_event:
            self.append(writer, "x", encode(row.end))

    def reap(self) -> None:
        row, holder = self.row, self.holder
        assert row is not None
        if holder is None or not holder.alive or holder.frozen:
            row.move(Status.QUEUED, row.attempt)

    # What a web process answers to a reader.

    def catch_up(self, position: Position, epoch: str | None) -> list[str]:
        """The frames that bring a reader from where he stands to here."""
        row, log = self.row, self.log
        assert row is not None
        frames: list[str] = []
        if row.status not in TERMINAL and log is None:
            return frames  # the row may be older than what he has: wait for the log
        if row.status in TERMINAL and (log is None or not log.closed):
            return self._from_row(row, position)
        assert log is not None
        linked = chain(log.entries, position)
        if epoch == log.epoch and reaches(linked, position, log.head):
            return [piece.frame for piece in merge(ID, linked, position, 10_000)]
        if log.closed:
            return self._from_row(row, position)
        snapshot = self._snapshot(row.text + self.text_after(row.position), max(log.head, row.position), position)
        return [encode(snapshot)]

    def _from_row(self, row: Row, position: Position) -> list[str]:
        if position == row.position:
            return []
        before = Position(row.position.attempt, row.position.seq - 1)
        if position == before:
            return [encode(row.end)]
        return [encode(self._snapshot(row.text, before, position)), encode(row.end)]

    def _snapshot(self, text: str, at: Position, reader: Position) -> Snapshot:
        epoch = self.log.epoch if self.log else "row"
        return Snapshot(
            generation=ID, position=at, epoch=epoch, part=0, last=True, text=text, recovered=reader == START,
            status=self.row.status if self.row else "", model="m",
        )  # fmt: skip
