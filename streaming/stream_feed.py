"""One stream within one process: every event is checked once here and handed to all who watch (DESIGN 9).

A viewer is in one of four places:

    waiting   for a read of row and log that starts after it came (`shared_read`)
    parked    the last read could not bring it in line, Redis is away: the next try comes by itself
    sending   it has a backlog and its socket has no room; it goes on when there is some
    live      it stands exactly where the timeline ends

Events that fit are accepted even while a read runs; the recent ones are kept, and bridge from a read to the present.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from django.db import Error as DatabaseError

from streaming import conf, fanout, feed_reading, hub, metrics, wait_feed
from streaming.catch_up import DELTA, TERMINAL, Piece, merge, piece_of
from streaming.errors import Refused, StreamingError
from streaming.events import START, Position, Queued, Snapshot, encode
from streaming.feed_reading import Reading
from streaming.flow_control import size_of
from streaming.shared_read import SharedRead
from streaming.states import Status
from streaming.timeline import RECENT_EVENTS, Event, Timeline, Verdict
from streaming.viewer import Plan, Viewer

#: How the frame of a waiting stream begins.
_QUEUED: Final = f'{{"type":"{Queued.TYPE}"'
log = logging.getLogger(__name__)


class StreamFeed:
    """It lives as long as it has viewers; `on_empty` is called when the last one has gone."""

    def __init__(self, generation: str, on_empty: Callable[[StreamFeed], None]) -> None:
        self.generation = generation
        self.timeline = Timeline()
        #: No event came since the watch looked last.
        self.quiet = True
        self.live: dict[Viewer, Callable[[str, int], bool]] = {}
        self._viewers: set[Viewer] = set()
        self._reads = SharedRead(self._read)
        self._reading = False
        self._arrived: deque[tuple[Event, str]] = deque(maxlen=RECENT_EVENTS)
        self._proven = False
        self._status, self._model = str(Status.QUEUED), ""
        self._waits = False
        self._bridge: tuple[Position, Position, list[Piece]] | None = None
        self._on_empty = on_empty
        self._membership = hub.get().join(fanout.stream_group(generation), self.on_message)

    # Viewers come and go.

    def register(self, viewer: Viewer) -> None:
        self._viewers.add(viewer)
        if self.timeline.epoch is not None and viewer.epoch != self.timeline.epoch:
            viewer.needs_text = True
        self._reads.want(viewer)

    def drop(self, viewer: Viewer) -> None:
        """It has everything, or its socket left."""
        if viewer not in self._viewers:
            return
        self._viewers.discard(viewer)
        self.live.pop(viewer, None)
        self._reads.forget(viewer)
        viewer.done()
        if not self._viewers:
            if self._waits:
                wait_feed.get().leave(self.generation)
            self._membership.leave()
            self._reads.close()
            self._on_empty(self)

    def viewers_now(self) -> tuple[int, int, int]:
        """How many there are, how many of them are not where the stream is, and the most that waits for one of them."""
        waiting = (viewer.connection.waiting_bytes for viewer in self._viewers)
        return len(self._viewers), len(self._viewers) - len(self.live), max(waiting, default=0)

    def end_all(self, error: StreamingError) -> None:
        for viewer in list(self._viewers):
            viewer.refuse(error)
            self.drop(viewer)

    def read_soon(self) -> None:
        """Something is missing here."""
        metrics.gap_healed()
        self._reads.want()

    def advance(self, viewer: Viewer, *, was_read: bool = False) -> None:
        """Bring a viewer as near to the present as its socket has room for."""
        timeline = self.timeline
        while viewer in self._viewers:
            if not viewer.send_backlog():
                viewer.connection.when_room(partial(self.advance, viewer))
                return
            if viewer.ended:
                self.drop(viewer)
                return
            if timeline.synced and viewer.epoch == timeline.epoch:
                if viewer.position == timeline.last:
                    self._go_live(viewer)
                    return
                bridge = self._bridge_from(viewer.position)
                if bridge is not None:
                    viewer.load(bridge)
                    continue
            want = self._reads.want_later if was_read else self._reads.want
            want(viewer)
            return

    def _go_live(self, viewer: Viewer) -> None:
        if self.timeline.closed:
            self.drop(viewer)
        else:
            self.live[viewer] = viewer.deliver

    def _displace(self, position: Position, epoch: str | None) -> list[Viewer]:
        """Nobody is live any more; all stood there."""
        viewers = list(self.live)
        self.live.clear()
        for viewer in viewers:
            viewer.position, viewer.epoch = position, epoch
        return viewers

    def _bridge_from(self, position: Position) -> list[Piece] | None:
        """From `position` to the present out of the recent events, made once for all who need the same."""
        last = self.timeline.last
        if self._bridge is None or self._bridge[:2] != (position, last):
            linked = self.timeline.bridge(position)
            if linked is None:
                return None
            part_bytes = conf.get().snapshot_part_bytes
            self._bridge = (position, last, merge(self.generation, linked, position, part_bytes))
        return self._bridge[2]

    # Events come in.

    def on_message(self, message: hub.Message) -> None:
        frame: str = message["f"]
        if message["type"] == "stream.event":
            self.quiet = False
            event = Event(Position(message["a"], message["s"]), message["k"], frame, size_of(frame))
            self._take(event, message["e"])
        else:
            if frame.startswith(_QUEUED):  # from a worker: it is back in the line
                self._waits = True
                wait_feed.get().follow(self.generation, None, self._hand_over_ephemeral)
            self._hand_over_ephemeral(frame)

    def _take(self, event: Event, epoch: str) -> None:
        verdict = self.timeline.judge(event, epoch)
        if verdict is Verdict.FITS:
            self._accept(event)
        elif verdict is Verdict.FITS_AND_NAMES_EPOCH:
            self._name_epoch(epoch)
            self._accept(event)
        elif verdict is Verdict.MISFIT:
            if self._reading:
                self._arrived.append((event, epoch))
            else:
                if self.timeline.synced:
                    metrics.gap_healed()
                self._reads.want()

    def _accept(self, event: Event) -> None:
        """The hot path: per viewer, one call that appends to its outbox."""
        before = self.timeline.last
        self.timeline.accept(event)
        if self._waits:
            self._wait_is_over()
        _, kind, frame, size = event
        refused = [viewer for viewer, deliver in self.live.items() if not deliver(frame, size)]
        for viewer in refused:
            del self.live[viewer]
            viewer.position, viewer.epoch = before, self.timeline.epoch
            viewer.connection.when_room(partial(self.advance, viewer))
        if kind == TERMINAL:
            for viewer in list(self.live):
                self.drop(viewer)
        elif kind == DELTA:
            self._status = Status.STREAMING

    def _name_epoch(self, epoch: str) -> None:
        """The first event of a stream that had no log when its viewers came; to resume they must know its epoch."""
        displaced = self._displace(self.timeline.last, None)
        self.timeline.epoch = epoch
        unnamed = Snapshot(
            generation=self.generation,
            position=START,
            epoch=epoch,
            part=0,
            last=True,
            text="",
            recovered=True,
            status=self._status,
            model=self._model,
        )
        pieces = [piece_of(encode(unnamed), START)]
        for viewer in displaced:
            if self.timeline.last == START:  # it has no text, so naming the epoch replaces nothing
                viewer.follow(Plan(pieces, epoch, recovered=True))
            self.advance(viewer)

    def _hand_over_ephemeral(self, frame: str) -> None:
        """Whoever has no room for it misses nothing that lasts."""
        size = size_of(frame)
        for deliver in self.live.values():
            deliver(frame, size)

    # Waits in a lane.

    def _follow_wait(self, reading: Reading) -> None:
        """What a lane's boards tell of a waiting row is newer than what the row says itself."""
        row, timeline = reading.row, self.timeline
        went_on = timeline.closed or timeline.last.attempt > row.attempt  # since the row was read
        if row.wait is not None and row.wait.lane and not went_on:
            self._waits = True
            told = wait_feed.get().follow(self.generation, row.wait, self._hand_over_ephemeral)
            reading.row = row._replace(queued=told or row.queued)
        elif self._waits:
            self._wait_is_over()

    def _wait_is_over(self) -> None:
        self._waits = False
        wait_feed.get().forget(self.generation)

    # Reads of row and log.

    async def _read(self, waiters: list[Viewer]) -> None:
        self._arrived.clear()  # a read that starts now includes them
        self._reading = True
        try:
            if not self._proven:
                await self._prove()
            reading = await self._read_row_and_log(waiters)
            self._reading = False
            self._apply(reading, waiters)
        except Exception as error:
            is_outage = isinstance(error, (DatabaseError, OSError))
            log.warning("stream %s cannot be read now: %r", self.generation, error, exc_info=not is_outage)
            self._put_off(waiters)
        finally:
            self._reading = False

    async def _prove(self) -> None:
        """Without proof that live events arrive, the feed lives on reads until there is one."""
        try:
            await self._membership.proven()
            self._proven = True
        except hub.NotProven:
            log.warning("stream %s has no live events for now", self.generation)

    async def _read_row_and_log(self, waiters: Iterable[Viewer]) -> Reading | None:
        starts = [viewer.position for viewer in waiters if not viewer.needs_text]
        if self.timeline.synced:
            starts.append(self.timeline.last)
        with_text = any(viewer.needs_text for viewer in waiters)
        return await feed_reading.read(self.generation, starts, with_text, self.timeline.recent_part)

    def _apply(self, reading: Reading | None, waiters: list[Viewer]) -> None:
        if reading is None:
            self.end_all(Refused("There is no such answer.", code="not_found"))
            return
        self._status, self._model = reading.row.status, reading.row.model
        waiters += self._catch_up(reading)
        self._follow_wait(reading)
        for viewer in waiters:
            if viewer in self._viewers:
                self._serve(viewer, reading)
        arrived = list(self._arrived)
        self._arrived.clear()
        for event, epoch in arrived:
            self._take(event, epoch)
        if not self._proven or reading.redis_is_away:
            self._reads.want_later()

    def _catch_up(self, reading: Reading) -> list[Viewer]:
        """Bring the feed itself up to what was read. Returns those of the live ones who cannot simply go on."""
        timeline = self.timeline
        stood_at = timeline.last, timeline.epoch
        if reading.log is not None:
            events, can_go_on = timeline.adopt(reading.log, reading.row.text_position)
            if not can_go_on:
                return self._displace(*stood_at)
            for event in events:
                self._accept(event)
        if reading.row.end is not None and not timeline.closed:  # its terminal event will never come
            return self._displace(timeline.last, timeline.epoch)
        return []

    def _serve(self, viewer: Viewer, reading: Reading) -> None:
        plan = reading.plan(viewer)
        if plan is None:
            viewer.needs_text = True
            self._reads.want(viewer)
            return
        viewer.open(plan.epoch, plan.recovered, reading.row.status)
        viewer.follow(plan)
        self.advance(viewer, was_read=True)

    def _put_off(self, waiters: Iterable[Viewer]) -> None:
        """The database does not answer. Whoever is open stays as he is; the others are told."""
        for viewer in waiters:
            if not viewer.is_open:
                viewer.refuse(Refused("This answer cannot be read right now.", code="unavailable", retryable=True))
                self.drop(viewer)
            elif viewer in self._viewers and viewer not in self.live and not viewer.is_sending:
                self._reads.want_later(viewer)
        self._reads.want_later()
