"""One stream for one reader who pulls: an HTTP response, say, whose sender waits until its client has taken a piece.

It is the same subscription as a socket's (`stream_feed`): live frames wait in a bounded outbox; when that is full,
nothing more is kept for this reader, and what it missed comes from the log once there is room. The front door of
delivery for whoever has no socket: rights are checked by whoever opens a reader. Blocks come without their HTML.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from streaming import conf, feed_watch
from streaming import heartbeat as ticker
from streaming.events import Position
from streaming.flow_control import Outbox, size_of
from streaming.viewer import SubscriptionOpened, Viewer

TAKE_BYTES: Final = 65_536
STALL_S: Final = 60.0
"""Whoever takes nothing for so long while something waits for him is given up. HTTP has no acknowledgements and its
clients may be slow, so it is longer than a socket's deadline."""


class StreamReader:
    """Made by `open_reader`. `opened`: where it stands, as a socket's `ok` says it."""

    opened: SubscriptionOpened

    def __init__(self, on_close: Callable[[], None] | None = None) -> None:
        self._on_close = on_close
        self._outbox = Outbox(conf.get().outbox_max_bytes)
        self._ticker = ticker.get()
        self._woken = asyncio.Event()
        self._waiting_for_room: list[Callable[[], None]] = []
        self._ended = False
        self._untaken_since: float | None = None
        self._puller: asyncio.Task[Any] | None = None
        self._leave: Callable[[], None] = lambda: None

    @property
    def exhausted(self) -> bool:
        """Nothing will come any more, and all that came was taken."""
        return self._ended and not self._outbox

    @property
    def was_read(self) -> bool:
        """Somebody came to take frames."""
        return self._puller is not None

    async def frames(self, within_s: float) -> list[str]:
        """The next frames, in order; empty if none came in time, or none will come any more."""
        self._puller = asyncio.current_task()
        if not self._outbox and not self._ended:
            self._woken.clear()
            try:
                async with asyncio.timeout(within_s):
                    await self._woken.wait()
            except TimeoutError:
                return []
        frames, _ = self._outbox.take(TAKE_BYTES)
        self._untaken_since = self._ticker.now if self._outbox else None
        if self._outbox.has_room:
            waiting, self._waiting_for_room = self._waiting_for_room, []
            for callback in waiting:
                callback()
        return frames

    def close(self) -> None:
        """The reader leaves: its subscription is free at once. Safe to call more than once."""
        self._ended = True
        self._outbox.clear()
        self._waiting_for_room.clear()
        self._ticker.discard(self)
        self._leave()
        self._woken.set()
        if self._on_close is not None:
            self._on_close()

    # What the feed calls.

    @property
    def waiting_bytes(self) -> int:
        return self._outbox.size

    def deliver(self, frame: str, size: int | None = None) -> bool:
        if self._ended or not self._outbox.put(frame, size_of(frame) if size is None else size):
            return False
        if self._untaken_since is None:
            self._untaken_since = self._ticker.now
        self._woken.set()
        return True

    def when_room(self, callback: Callable[[], None]) -> None:
        self._waiting_for_room.append(callback)

    def tick(self, now: float) -> None:
        """Called by the process's ticker."""
        if self._untaken_since is not None and now - self._untaken_since > STALL_S:
            self.close()
            if self._puller is not None:
                self._puller.cancel()  # it stands in a send that its client does not take

    def done(self) -> None:
        """The subscription is over; what is queued is still to be taken."""
        self._ended = True
        if self._untaken_since is None:
            self._ticker.discard(self)
        self._woken.set()


async def open_reader(
    generation: str,
    after: Position | None = None,
    epoch: str | None = None,
    on_close: Callable[[], None] | None = None,
) -> StreamReader:
    """Read a stream from `after` in `epoch`, or from its text so far. Raises Refused if it cannot be read. `on_close`
    is called with each `close`, also if that was ours, for a reader that takes nothing."""
    reader = StreamReader(on_close)
    feed = feed_watch.get().feed(generation)
    found: list[SubscriptionOpened] = []
    viewer = Viewer(reader, after, epoch, found.append, reader.done, wants_blocks=False)
    reader._leave = lambda: feed.drop(viewer)
    feed.register(viewer)
    try:
        await viewer.opened
    except BaseException:
        reader.close()
        raise
    reader.opened = found[0]
    reader._ticker.add(reader)
    return reader
