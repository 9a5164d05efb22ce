"""The sole emitter of stream events: one per worker process, for all its streams (DESIGN 8).

One connection, one batch in flight, and at most one event per stream and window. Several times per window it appends
for the streams whose own window is over: were it once for all of them, the last of a large batch would be late, and
text that just missed it would wait a whole window. The first text of a stream, its last text and its terminal event
wake it early. While the process is calm it does not wait at all; as the load grows the windows stretch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from redis import RedisError
from redis.exceptions import NoScriptError

from streaming import conf, database, fenced, lifecycle, metrics, redis_client
from streaming.answer_blocks import AnswerBlocks
from streaming.append_pipe import AppendPipe
from streaming.cancellation import cancel
from streaming.checkpoints import Checkpoints
from streaming.coalescer import Coalescer
from streaming.errors import Fenced, StopRequested, StreamingError
from streaming.events import DurableEvent, Position
from streaming.fanout import Kind
from streaming.filters import Chain
from streaming.lifecycle import Checkpoint, Claim
from streaming.rendering import Rendering
from streaming.replay_log import ReplayLog, script
from streaming.writer import Frozen, StreamWriter

log = logging.getLogger(__name__)

CALM_EVENTS_PER_S: Final = 150.0
"""Below this rate an append of one's own per event costs less than people would notice a window."""
TURNS_MIN: Final = 2
TURNS_MAX: Final = 4
"""In a window, so many batches."""
BATCH_EVENTS: Final = 16
"""Smaller batches cost every process more per event, in larger ones the last event is late: between the two bounds, the
turns come when about so many are due."""
SMOOTH_S: Final = 0.25
RENDER_WAIT_S: Final = 5.0
"""How long an end waits for its last blocks."""
RETRY_MIN_S: Final = 0.05
RETRY_MAX_S: Final = 1.0
_AWAY: Final = (RedisError, OSError, TimeoutError)


class Publisher:
    def __init__(self) -> None:
        settings = conf.get()
        self._settings = settings
        # Its own connection: nothing else may delay an append, and its order is the order of the streams.
        self._pipe = AppendPipe()
        # Beginnings of many streams at once must not wait for each other.
        self.replay_log = ReplayLog(redis_client.get())
        self._ttl_ms = settings.log_ttl_s * 1000
        self._append_source, self._append_sha = script("append")
        self._writers: set[StreamWriter] = set()
        self._dirty: dict[StreamWriter, None] = {}
        self._any_dirty, self._hurry = asyncio.Event(), asyncio.Event()
        self._window_s = settings.window_s
        self._rate, self._took_s = 0.0, 0.0
        self._flushed_at, self._looked_at = 0.0, 0.0
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._append_forever())
        self._checkpoints = Checkpoints(self._writers, settings.checkpoint_s)
        self._recoveries: set[asyncio.Task[None]] = set()
        self._progress: dict[StreamWriter, asyncio.Event] = {}
        self._renderings: dict[StreamWriter, Rendering] = {}

    async def aclose(self) -> None:
        await self._checkpoints.aclose()
        await cancel(self._task, *self._recoveries)
        await self._pipe.aclose()

    # For the runner.

    def open(self, claim: Claim, filters: Chain) -> StreamWriter:
        """A writer for a claimed attempt. It takes text at once; nothing is appended before `begin`."""
        settings = self._settings
        coalescer = Coalescer(
            window_s=settings.window_s, chunk_max_chars=settings.chunk_max_chars, boundary=settings.boundary
        )
        writer = StreamWriter(
            claim.generation_id,
            claim.attempt,
            token=secrets.token_hex(8),
            model=claim.model,
            filters=filters,
            coalescer=coalescer,
            text_max_bytes=settings.text_max_bytes,
            mark=self._mark,
        )
        writer.before = claim.position
        writer.blocks = AnswerBlocks(claim.blocks)
        self._renderings[writer] = Rendering(writer)
        return writer

    async def begin(
        self, writer: StreamWriter, before: Position, take_over: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Open the log for the writer's attempt; `take_over` may read what earlier ones left before anything is
        appended or saved. Raises Fenced, and what Redis raises when it is away; it may be repeated."""
        begun = await self.replay_log.begin(
            writer.generation_id, writer.attempt, writer.token, epoch=secrets.token_hex(6), before=before
        )
        writer.epoch, writer.seq, writer.before = begun.epoch, begun.last_seq, begun.before
        if take_over is not None:
            await take_over()
        self._renderings[writer].begin()
        self._writers.add(writer)
        writer.dirty = False
        self._mark(writer)

    async def append(self, writer: StreamWriter, kind: Kind, build: Callable[[Position], DurableEvent]) -> None:
        """Append one event that is not text, after all text; returns when it is confirmed or refused."""
        writer.control(kind, build)
        await self.drained(writer)

    async def drained(self, writer: StreamWriter) -> None:
        """Wait until everything given to the writer is confirmed, or the writer was refused."""
        progress = self._progress.setdefault(writer, asyncio.Event())
        while not writer.idle:
            progress.clear()
            await progress.wait()

    async def render_rest(self, writer: StreamWriter) -> None:
        """The blocks that only the end of the text finishes; returns when they are confirmed, or take too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RENDER_WAIT_S):
                await self._renderings[writer].finish()
                await self.drained(writer)

    def close(self, writer: StreamWriter) -> None:
        writer.closed = True
        self._renderings.pop(writer, None)
        self._writers.discard(writer)
        self._dirty.pop(writer, None)
        self._progress.pop(writer, None)

    # The append loop.

    def _mark(self, writer: StreamWriter) -> None:
        writer.dirty = True
        if writer not in self._writers:  # not begun yet: begin marks it again
            return
        self._dirty[writer] = None
        self._any_dirty.set()
        if writer.draining or not writer.has_text or (self._calm and writer.urgent(self._loop.time())):
            self._hurry.set()

    @property
    def _turn_s(self) -> float:
        filled_s = BATCH_EVENTS / max(self._rate, 1.0)
        return min(self._window_s / TURNS_MIN, max(self._window_s / TURNS_MAX, filled_s))

    @property
    def _calm(self) -> bool:
        return self._rate < CALM_EVENTS_PER_S

    async def _append_forever(self) -> None:
        pause_s = RETRY_MIN_S
        while True:
            await self._any_dirty.wait()
            await self._window()
            try:
                await self._append_once()
                pause_s = RETRY_MIN_S
            except Exception as error:
                unexpected = not isinstance(error, _AWAY)
                name = type(error).__name__
                log.warning("append failed (%s), %d streams wait", name, len(self._dirty), exc_info=unexpected)
                await asyncio.sleep(pause_s)
                pause_s = min(RETRY_MAX_S, pause_s * 2)
                self._hurry.set()

    async def _append_once(self) -> None:
        """One pipeline. Whatever it raises, the frozen events are sent again."""
        batch = self._freeze_batch()
        if batch:
            started = self._loop.time()
            replies = await self._append_batch(batch)
            for (writer, frozen), reply in zip(batch, replies, strict=True):
                self._settle(writer, frozen, reply)
            sizes = [len(frozen.frame) for (_, frozen), reply in zip(batch, replies, strict=True) if reply == b"OK"]
            metrics.appended(len(sizes), sum(sizes))
            self._measure(started, len(batch))

    async def _window(self) -> None:
        """Wait for the next turn, or for somebody in a hurry."""
        left = self._looked_at + self._turn_s - self._loop.time()
        if left > 0 and not self._hurry.is_set():
            timer = self._loop.call_later(left, self._hurry.set)
            await self._hurry.wait()
            timer.cancel()
        self._hurry.clear()

    def _freeze_batch(self) -> list[tuple[StreamWriter, Frozen]]:
        now = self._looked_at = self._loop.time()
        batch = []
        dirty, self._dirty = self._dirty, {}
        for writer in dirty:
            if writer.refused is not None:
                self._wake(writer)
            elif not writer.due(now, self._window_s):
                self._dirty[writer] = None
                continue
            elif frozen := writer.freeze(now):
                batch.append((writer, frozen))
                self._dirty[writer] = None  # until confirmed it stays due
                continue
            writer.dirty = False
        if not self._dirty:
            self._any_dirty.clear()
        return batch

    async def _append_batch(self, batch: list[tuple[StreamWriter, Frozen]]) -> list[Any]:
        replies = await self._pipe.call([
            ("EVALSHA", self._append_sha, 2, *writer.keys, writer.attempt, writer.token,
             frozen.seq, frozen.kind, frozen.frame, writer.channel, frozen.message, self._ttl_ms)
            for writer, frozen in batch
        ])  # fmt: skip
        if any(isinstance(reply, NoScriptError) for reply in replies):
            await self._pipe.call([("SCRIPT", "LOAD", self._append_source)])
        return replies

    def _settle(self, writer: StreamWriter, frozen: Frozen, reply: Any) -> None:
        """Act on one reply. Where the event stays frozen it is sent again."""
        if reply == b"OK":
            writer.confirm()
        elif isinstance(reply, NoScriptError):
            pass  # the server has it by now
        elif isinstance(reply, Exception):  # out of memory, for example: a pause for this stream, the others go on
            log.warning("append to %s was refused (%s)", writer.generation_id, reply)
            self._dirty.pop(writer, None)
            self._loop.call_later(RETRY_MAX_S, self._mark, writer)
            return
        elif reply in (b"LOST", b"GAP", b"FENCED"):  # no log, an older state of it, or somebody else's: the row knows
            if reply == b"FENCED":
                fenced.count("append")
            self._writers.discard(writer)  # takes text, appends nothing, until the log exists again
            task = self._loop.create_task(self._recover(writer, frozen))
            self._recoveries.add(task)
            task.add_done_callback(self._recoveries.discard)
        elif reply == b"STOPPED":
            writer.frozen = None
            writer.withdraw()
            writer.on_refused(StopRequested())
        else:
            writer.refuse(Fenced(reply.decode()))
        self._after(writer)

    def _after(self, writer: StreamWriter) -> None:
        """Decide whether the writer stays due, and wake who waits for it."""
        self._dirty.pop(writer, None)
        writer.dirty = False
        self._wake(writer)
        if not writer.idle and writer in self._writers:
            self._mark(writer)

    def _wake(self, writer: StreamWriter) -> None:
        if (progress := self._progress.get(writer)) is not None:
            progress.set()

    def _measure(self, started: float, events: int) -> None:
        now = self._loop.time()
        elapsed = max(now - self._flushed_at, 0.001)
        weight = 1 - math.exp(-elapsed / SMOOTH_S)
        self._rate += weight * (events / elapsed - self._rate)
        self._took_s += weight * (now - started - self._took_s)
        # Appends that take long mean a busy loop or a busy Redis: fewer, larger ones cost both less. A single late one
        # means nothing, and nobody's text should wait longer for it.
        self._window_s = min(self._settings.window_max_s, max(self._settings.window_s, 4 * self._took_s))
        self._flushed_at = self._looked_at = now

    # Redis lost its memory, or the newest part of it, or the stream belongs to another attempt by now.

    async def _recover(self, writer: StreamWriter, frozen: Frozen) -> None:
        """Re-seed the log from our own text under a new epoch, after the row confirmed that the attempt is still ours.
        The frozen event goes into the row with it: some viewer may have seen it, and then it may not disappear."""
        pause_s = RETRY_MIN_S
        while writer.refused is None and not writer.closed:
            try:
                if frozen.kind == "x":  # the row is terminal already and serves everybody
                    writer.confirm()
                    break
                saved = Checkpoint(
                    writer.generation_id,
                    writer.attempt,
                    writer.text + frozen.text,
                    Position(writer.attempt, frozen.seq),
                    writer.blocks.encoded(frozen.block),
                )
                lost, _ = await database.call(lifecycle.checkpoint, [saved], [])
                if lost:
                    fenced.count("checkpoint")
                    raise Fenced
                begun = await self.replay_log.begin(
                    writer.generation_id,
                    writer.attempt,
                    writer.token,
                    epoch=secrets.token_hex(6),
                    last_seq=frozen.seq,
                    before=writer.before,
                )
                writer.epoch = begun.epoch
                writer.confirm()
                log.warning("the log of %s was lost and begun again", writer.generation_id)
                break
            except StreamingError as error:
                writer.refuse(error)
            except Exception as error:  # Redis or the database is away: the text waits here
                log.warning("recovery of %s waits (%s)", writer.generation_id, type(error).__name__)
                await asyncio.sleep(pause_s)
                pause_s = min(RETRY_MAX_S, pause_s * 2)
        if not writer.closed:
            self._writers.add(writer)
        self._after(writer)
