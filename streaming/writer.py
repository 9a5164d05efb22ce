"""One attempt's text on its way into the log: filtered, coalesced, numbered, and frozen until the log confirmed it.

No I/O here. The publisher asks for the next event (`freeze`), appends it, and reports back (`confirm` or `refuse`). A
frozen event keeps its seq and bytes until its reply is known, so that repeating it is always safe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streaming import fanout
from streaming.answer_blocks import AnswerBlocks
from streaming.coalescer import Coalescer, last_cluster
from streaming.errors import StreamingError, Vetoed
from streaming.events import BlockRendered, DurableEvent, Position, Started, encode, encode_delta
from streaming.fanout import Kind
from streaming.filters import Chain
from streaming.keys import stream_log, stream_meta
from streaming.markdown import Rendered


@dataclass(slots=True)
class Frozen:
    """An event between its numbering and the log's reply."""

    seq: int
    kind: Kind
    frame: str
    message: bytes
    text: str
    block: Rendered | None = None


class StreamWriter:
    """`on_refused` hears once that the log (or the row) takes no more; `on_first_text` once that text is visible."""

    def __init__(
        self,
        generation_id: str,
        attempt: int,
        *,
        token: str,
        model: str,
        filters: Chain,
        coalescer: Coalescer,
        text_max_bytes: int,
        mark: Callable[[StreamWriter], None],
    ) -> None:
        self.generation_id = generation_id
        self.attempt = attempt
        self.token = token
        self.epoch = ""
        self.group = fanout.stream_group(generation_id)
        self.channel = fanout.group_channel(self.group)
        self.keys = (stream_meta(generation_id), stream_log(generation_id))
        self.seq = 0
        self.before = Position(0, 0)
        self.frozen: Frozen | None = None
        self.refused: StreamingError | None = None
        self.dirty = False
        self.draining = False
        #: The provider sent text (`has_input`); some of it is visible (`has_text`).
        self.has_input = False
        self.has_text = False
        #: The text reached the size limit: what follows is not taken.
        self.full = False
        #: The row is being (or has been) ended by its own worker: no checkpoint may contradict that any more.
        self.finishing = False
        self.closed = False
        self.on_refused: Callable[[StreamingError], None] = lambda error: None
        self.on_first_text: Callable[[], None] = lambda: None
        #: Hears all text that is confirmed.
        self.on_text: Callable[[str], None] = lambda text: None
        self.blocks = AnswerBlocks()
        self._model = model
        self._filters = filters
        self._coalescer = coalescer
        self._bytes_left = text_max_bytes
        self._control: tuple[Kind, Callable[[Position], DurableEvent]] | None = None
        self._parts: list[str] = []
        self._resumed_chars = 0
        self._is_blocks_turn = False
        self._mark = mark

    # From the provider.

    def resume(self, text: str, filters: Chain) -> None:
        """Go on from what earlier attempts left visible, before anything is fed; the size limit counts it."""
        self._bytes_left -= len(text.encode()) - len(self.text.encode())
        self._parts = [text]
        self._resumed_chars = len(text)
        self._filters = filters

    def feed(self, text: str) -> None:
        """Take a delta; cheap. Raises Vetoed if a validator ends the stream (what it allowed is kept)."""
        self.has_input = True
        try:
            text = self._filters.feed(text)
        except Vetoed as veto:
            self._push(veto.allowed)
            raise
        if text:
            self._push(text)

    def end_of_text(self, *, flush_filters: bool) -> None:
        """No more deltas: what filters, graphemes and boundaries kept back goes out too. Raises Vetoed like `feed`."""
        self.draining = True
        try:
            if flush_filters:
                self._push(self._filters.flush())
        except Vetoed as veto:
            self._push(veto.allowed)
            raise
        finally:
            self._mark(self)

    def _push(self, text: str) -> None:
        """Into the coalescer, up to the size limit: from then on the writer is full."""
        size = len(text) if text.isascii() else len(text.encode())
        if size > self._bytes_left:
            text, self.full = self._fitting(text), True
        self._bytes_left -= size
        if text:
            self._coalescer.push(text)
            if not self.dirty:
                self._mark(self)

    def _fitting(self, text: str) -> str:
        """The beginning of `text` that still fits, cut between graphemes."""
        fits = len(text.encode()[: max(self._bytes_left, 0)].decode(errors="ignore"))
        return text[: min(fits, last_cluster(text[: fits + 1]))]

    def control(self, kind: Kind, build: Callable[[Position], DurableEvent]) -> None:
        """Queue a durable event that is not text; one at a time, and only once the text before it is confirmed."""
        self._control = (kind, build)
        self._mark(self)

    def offer(self, made: Sequence[Rendered]) -> None:
        """Blocks of confirmed text."""
        self.blocks.offer(made)
        self._mark(self)

    # To the publisher.

    def urgent(self, now: float) -> bool:
        return self._coalescer.urgent(now)

    def due(self, now: float, window_s: float) -> bool:
        """Whether something is to be appended now: the stream's own window is over, or it never waits for one."""
        return (
            self.frozen is not None
            or self.draining
            or not self.has_text
            or self.seq == 0
            or self._control is not None
            or bool(self.blocks.ready)
            or self._coalescer.urgent(now, window_s)
        )

    @property
    def idle(self) -> bool:
        """Nothing is left to append, or nothing may be appended any more."""
        return self.refused is not None or (self.frozen is None and not self.blocks.ready and self.is_text_confirmed)

    @property
    def is_text_confirmed(self) -> bool:
        """Nothing but blocks is left to append, which come when they are ready."""
        if self.refused is not None:
            return True
        is_block = self.frozen is None or self.frozen.block is not None
        return is_block and self._control is None and self.seq > 0 and self._coalescer.empty

    def freeze(self, now: float) -> Frozen | None:
        """The event to append now: the unconfirmed one again, or the next."""
        if self.frozen is not None:
            return self.frozen
        position = Position(self.attempt, self.seq + 1)
        if self.seq == 0:
            return self._freeze_event("o", self._started(position))
        text = "" if self._is_blocks_turn else self._take(now)
        self._is_blocks_turn = bool(text and self.blocks.ready)  # neither may hold up the other for long
        if text:
            self.frozen = self._frozen("d", position, encode_delta(self.generation_id, position, text), text)
        elif self.blocks.ready:
            return self._freeze_block(position, self.blocks.ready.popleft())
        elif self._control is not None and self._coalescer.empty:
            kind, build = self._control
            self._control = None
            return self._freeze_event(kind, build(position))
        return self.frozen

    def _take(self, now: float) -> str:
        return self._coalescer.flush(now) if self.draining else self._coalescer.take(now)

    def _freeze_block(self, position: Position, made: Rendered) -> Frozen:
        event = BlockRendered(
            generation=self.generation_id,
            position=position,
            index=made.index,
            lines=made.block.lines,
            html=made.block.html,
        )
        frozen = self._freeze_event("b", event)
        frozen.block = made
        return frozen

    def confirm(self) -> None:
        """The frozen event is in the log (or, after a loss of Redis, in the row)."""
        frozen, self.frozen = self.frozen, None
        if frozen is None:
            return
        self.seq = frozen.seq
        if frozen.block is not None:
            self.blocks.confirm(frozen.block)
        if frozen.text:
            self._parts.append(frozen.text)
            if not self.has_text:
                self.has_text = True
                self.on_first_text()
            self.on_text(frozen.text)

    def refuse(self, error: StreamingError) -> None:
        """The log takes no more from this writer; what was not confirmed was never visible and is dropped."""
        if self.refused is None:
            self.refused, self.frozen = error, None
            self.on_refused(error)
            self._mark(self)  # whoever waits for what is dropped now must hear it

    def withdraw(self) -> None:
        """Drop the text that is not frozen yet: after a stop nothing more becomes visible. What is frozen may already
        be in the log, so only its reply decides about it."""
        while not self._coalescer.empty:
            self._coalescer.flush(0.0)

    @property
    def position(self) -> Position:
        """The last confirmed position; before the attempt's first event, the last one before the attempt."""
        return Position(self.attempt, self.seq) if self.seq else self.before

    @property
    def text(self) -> str:
        """The confirmed text: exactly what any viewer can have seen at `position`."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def own_text(self) -> str:
        """The part of `text` that this attempt brought."""
        return self.text[self._resumed_chars :]

    def take_unconfirmed(self) -> str:
        """What would follow `text` if the log came back; only for an end that could not wait for it."""
        rest = [self.frozen.text] if self.frozen else []
        while not self._coalescer.empty:
            rest.append(self._coalescer.flush(0.0))
        return "".join(rest)

    def _started(self, position: Position) -> Started:
        return Started(
            generation=self.generation_id,
            position=position,
            attempt=self.attempt,
            follows=self.before,
            model=self._model,
        )

    def _freeze_event(self, kind: Kind, event: DurableEvent) -> Frozen:
        self.frozen = self._frozen(kind, event.position, encode(event), "")
        return self.frozen

    def _frozen(self, kind: Kind, position: Position, frame: str, text: str) -> Frozen:
        message = fanout.stream_message(self.group, position, kind, self.epoch, frame)
        return Frozen(position.seq, kind, frame, message, text)
