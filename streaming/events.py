"""Stream events: facts about one generation, from the worker to every screen.

Durable events have a position, are logged, and are never lost, doubled or reordered. Ephemeral events have none: they
are only fanned out, and whoever misses one loses nothing. Every event is encoded once, by whoever makes it; the string
then travels through log, channel layer and socket as it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, NamedTuple, Self, TypedDict

PROTOCOL_VERSION: Final = 1


class Position(NamedTuple):
    """`<attempt>-<seq>`: the place of a durable event; also its Redis Stream id. `seq` starts at 1 in each attempt."""

    attempt: int
    seq: int

    def __str__(self) -> str:
        return f"{self.attempt}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError unless `text` is two plain decimal numbers below 2**53 with a dash between them."""
        attempt, dash, seq = text.partition("-")
        if not (dash and attempt.isascii() and attempt.isdigit() and seq.isascii() and seq.isdigit()):
            raise ValueError(f"not a position: {text[:40]!r}")
        if len(attempt) > 15 or len(seq) > 15:
            raise ValueError("position too large")
        return cls(int(attempt), int(seq))


START: Final = Position(0, 0)
"""Before everything: what a client names that has seen nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    TYPE: ClassVar[str] = ""
    generation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableEvent(StreamEvent):
    """Logged under its position."""

    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(DurableEvent):
    """An attempt began. `follows` is the last position before it, so that continuity across attempts is provable."""

    TYPE: ClassVar[str] = "stream.started"
    attempt: int
    follows: Position
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta(DurableEvent):
    """More text. `follows` is present if several logged deltas were merged into this one for a reader who was away;
    otherwise the delta follows the position just before its own."""

    TYPE: ClassVar[str] = "stream.delta"
    text: str
    follows: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRendered(DurableEvent):
    """A piece of the text is finished: block number `index` (from 0) takes the place of the `lines` of Markdown after
    those of the blocks before it. All of this text came before this event.

    `html` holds only the tags, attributes and classes of `streaming/markdown_html.py`. Without it the lines are to be
    shown as they are (too much to render, or the subscription asked for no blocks). A known `index` comes again if
    something later changed the block; with other `lines` it takes the place of all blocks after it too. A block that
    covers an unfinished last line is to be forgotten when more text comes.
    """

    TYPE: ClassVar[str] = "stream.block"
    index: int
    lines: int
    html: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReported(DurableEvent):
    """Tokens of this attempt, as the provider counted them."""

    TYPE: ClassVar[str] = "stream.usage"
    input_tokens: int
    output_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(DurableEvent):
    """The end, exactly one per generation and nothing after it. `bytes` and `sha256` are of the text in UTF-8. Times
    are from the request on, `waited_ms` until a worker began."""

    bytes: int
    sha256: str
    reason: str = ""
    code: str = ""
    message: str = ""
    retryable: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    waited_ms: int | None = None
    first_text_ms: int | None = None
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(Ended):
    """The provider's own end marker was seen. `reason`: stop, length, content_filter."""

    TYPE: ClassVar[str] = "stream.completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Ended):
    """Somebody stopped it; or a validator did, its author left while it waited, or the API key that asked for it
    was revoked (then `code` and `message` say why). The text so far stays."""

    TYPE: ClassVar[str] = "stream.stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted(Ended):
    """It broke off after text. The text stays; `retryable` says whether "try again" may help."""

    TYPE: ClassVar[str] = "stream.interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Ended):
    """It ended without any text."""

    TYPE: ClassVar[str] = "stream.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(Ended):
    """It waited in the queue longer than the deadline."""

    TYPE: ClassVar[str] = "stream.expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued(StreamEvent):
    """It waits. `reason`: starting, waiting (in its lane), waiting_for_queue (the queue is away), retrying
    (`retry_in_s`, and why), continuing (another server goes on with the text so far). Whoever subscribes during a wait
    is told as well.

    In a lane: `ahead` start before it as things stand; `p50_s` and `p90_s` are the expected wait and the one that nine
    of ten stay below; `resume_s`: when the provider opens again; `why`: open, own (an answer of the same person),
    paused, overloaded, probing, held, blocked, or overtaken, slower for a number that rose.
    """

    TYPE: ClassVar[str] = "stream.queued"
    reason: str
    message: str = ""
    retry_in_s: float | None = None
    ahead: int | None = None
    p50_s: float | None = None
    p90_s: float | None = None
    why: str | None = None
    resume_s: float | None = None


class BlockData(TypedDict):
    """A finished block of a snapshot, as `stream.block` has it; they are numbered as they come."""

    lines: int
    html: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(StreamEvent):
    """The text up to `position`, in parts of at most 32 KiB; `last` marks the final part. It replaces what was shown.
    After the text come parts with its finished blocks, of which one alone may be larger.

    `recovered` is false if continuity with the client's position could not be proven.
    """

    TYPE: ClassVar[str] = "stream.snapshot"
    position: Position
    epoch: str
    part: int
    last: bool
    text: str
    recovered: bool
    status: str
    model: str
    blocks: list[BlockData] | None = None


EVENT_TYPES: Final[dict[str, type[StreamEvent]]] = {
    kind.TYPE: kind
    for kind in (
        Started,
        Delta,
        BlockRendered,
        UsageReported,
        Completed,
        Stopped,
        Interrupted,
        Failed,
        Expired,
        Queued,
        Snapshot,
    )
}
_POSITIONS: Final = frozenset({"position", "follows"})
_TEXT_FIELD: Final = '"text":"'


def json_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def encode(event: StreamEvent) -> str:
    """The frame of an event: one JSON object; absent fields are those that are None."""
    if type(event) is Delta and event.follows is None:
        return encode_delta(event.generation, event.position, event.text)
    frame: dict[str, Any] = {"type": event.TYPE}
    for field in fields(event):
        value = getattr(event, field.name)
        if value is not None:
            frame[field.name] = str(value) if field.name in _POSITIONS else value
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


def encode_delta(generation: str, position: Position, text: str) -> str:
    """The hot path of `encode`: one per stream and window (ids and positions need no escaping)."""
    return (
        f'{{"type":"stream.delta","generation":"{generation}",'
        f'"position":"{position[0]}-{position[1]}","text":{json_string(text)}}}'
    )


def merge_deltas(frames: Sequence[str], generation: str, position: Position, follows: Position) -> str:
    """One delta out of the frames of several, in order: text is the last field of what `encode_delta` makes, so the
    encoded bodies are joined as they are. Decoding a long answer would hold up the process for a fifth of a second."""
    text = "".join([frame[frame.index(_TEXT_FIELD) + len(_TEXT_FIELD) : -2] for frame in frames])
    return (
        f'{{"type":"stream.delta","generation":"{generation}",'
        f'"position":"{position}","text":"{text}","follows":"{follows}"}}'
    )


_BLOCK_START: Final = f'{{"type":"{BlockRendered.TYPE}"'
_HTML_FIELD: Final = ',"html":"'


def without_html(frame: str) -> str:
    """A frame as somebody gets it who asked for no blocks: the place of a block is kept, so nothing seems missing."""
    if not frame.startswith(_BLOCK_START) or _HTML_FIELD not in frame:
        return frame
    return frame[: frame.index(_HTML_FIELD)] + "}"


def decode(frame: str) -> StreamEvent:
    """The event of a frame. Raises ValueError for an unknown type or a field that the type does not have."""
    data: dict[str, Any] = json.loads(frame)
    kind = EVENT_TYPES.get(data.pop("type", ""))
    if kind is None:
        raise ValueError("unknown event type")
    for name in _POSITIONS & data.keys():
        data[name] = Position.parse(data[name])
    try:
        return kind(**data)
    except TypeError as error:
        raise ValueError(f"not a {kind.TYPE}: {error}") from error
