"""What a viewer gets who was away: missed events with their deltas merged, or the text so far in parts. Pure.

A `Piece` is one frame on its way to viewers. It is made once and shared by all who need the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, Protocol

from streaming.events import BlockData, Ended, Position, Snapshot, Started, decode, encode, merge_deltas
from streaming.flow_control import size_of
from streaming.markdown import Block

DELTA: Final = "d"
TERMINAL: Final = "x"


class Piece(NamedTuple):
    """`position`: where a viewer stands who has got it; None if it does not move him (or not yet)."""

    frame: str
    size: int
    position: Position | None = None
    is_end: bool = False


class Logged(Protocol):
    """A durable event, from the log or live."""

    @property
    def position(self) -> Position: ...
    @property
    def kind(self) -> str: ...
    @property
    def frame(self) -> str: ...


def piece_of(frame: str, position: Position | None = None, *, is_end: bool = False) -> Piece:
    return Piece(frame, size_of(frame), position, is_end)


def end_piece(event: Ended) -> Piece:
    return piece_of(encode(event), event.position, is_end=True)


def before(position: Position) -> Position:
    """The position just before, within its attempt."""
    return Position(position.attempt, position.seq - 1)


def follows(event: Logged, last: Position) -> bool:
    """Whether nothing is missing between `last` and the event."""
    position = event.position
    if position.attempt == last.attempt:
        return position.seq == last.seq + 1
    if position.seq != 1 or event.kind in (DELTA, TERMINAL):
        return False
    started = decode(event.frame)
    return isinstance(started, Started) and started.follows == last


def chain(events: Iterable[Logged], last: Position) -> list[Logged]:
    """The events after `last` as far as none is missing."""
    linked: list[Logged] = []
    for event in events:
        if event.position <= last:
            continue
        if not follows(event, last):
            break
        linked.append(event)
        last = event.position
    return linked


def reaches(linked: Sequence[Logged], start: Position, end: Position) -> bool:
    return (linked[-1].position if linked else start) == end


def merge(generation: str, linked: Iterable[Logged], last: Position, part_bytes: int) -> list[Piece]:
    """The events of a chain after `last`, runs of deltas merged into deltas of at most about `part_bytes`."""
    pieces: list[Piece] = []
    run: list[Logged] = []
    size = 0
    for event in linked:
        grown = size + size_of(event.frame)
        if run and (event.kind != DELTA or grown > part_bytes):
            pieces.append(_merged(generation, run, last))
            last, run, size = run[-1].position, [], 0
        if event.kind == DELTA:
            run.append(event)
            size += size_of(event.frame)
        else:
            pieces.append(piece_of(event.frame, event.position, is_end=event.kind == TERMINAL))
            last = event.position
    if run:
        pieces.append(_merged(generation, run, last))
    return pieces


def _merged(generation: str, run: Sequence[Logged], last: Position) -> Piece:
    position = run[-1].position
    if len(run) == 1:
        return piece_of(run[0].frame, position)
    return piece_of(merge_deltas([event.frame for event in run], generation, position, last), position)


def parts(text: str, limit: int) -> Iterator[str]:
    """`text` in parts of at most `limit` bytes of UTF-8, cut between code points. An empty text is one empty part."""
    if len(text) <= limit and size_of(text) <= limit:
        yield text
        return
    raw = text.encode()
    start = 0
    while start < len(raw):
        end = min(start + limit, len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # in the middle of a code point
            end -= 1
        yield raw[start:end].decode()
        start = end


def snapshot_pieces(whole: Snapshot, part_bytes: int, blocks: Iterable[Block] = ()) -> list[Piece]:
    """A snapshot in parts, text before blocks; the viewer stands at its position once he has the last one."""
    contents: list[tuple[str, list[BlockData] | None]] = [(text, None) for text in parts(whole.text, part_bytes)]
    contents += [("", run) for run in block_runs(blocks, part_bytes)]
    pieces = []
    for number, (text, run) in enumerate(contents):
        last = number == len(contents) - 1
        part = replace(whole, part=number, last=last, text=text, blocks=run)
        pieces.append(piece_of(encode(part), whole.position if last else None))
    return pieces


def block_runs(blocks: Iterable[Block], limit: int) -> Iterator[list[BlockData]]:
    """Blocks in runs of about `limit` bytes; a larger one goes alone."""
    run: list[BlockData] = []
    size = 0
    for block in blocks:
        grown = size + size_of(block.html or "")
        if run and grown > limit:
            yield run
            run, grown = [], grown - size
        run.append({"lines": block.lines, "html": block.html})
        size = grown
    if run:
        yield run
