"""What one socket watches. The front door of delivery: rights are checked by whoever opens a subscription."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypedDict

from streaming import feed_watch, metrics
from streaming.connection import Connection
from streaming.errors import Refused
from streaming.events import Position
from streaming.stream_feed import StreamFeed
from streaming.viewer import SubscriptionOpened, Viewer

__all__ = ["StreamHead", "SubscriptionOpened", "Subscriptions"]


class StreamHead(TypedDict):
    """Where a socket stands in a stream, for its heartbeat."""

    generation: str
    position: str
    epoch: str | None


class Subscriptions:
    """One per socket. A subscription ends by itself after the terminal event."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open: dict[str, tuple[StreamFeed, Viewer]] = {}

    def __contains__(self, generation: str) -> bool:
        return generation in self._open

    def __len__(self) -> int:
        return len(self._open)

    async def open(
        self,
        generation: str,
        after: Position | None,
        epoch: str | None,
        on_open: Callable[[SubscriptionOpened], None],
        *,
        blocks: bool = True,
    ) -> None:
        """Watch a stream from `after` in `epoch`, or from its text so far. `on_open` is called once, before the first
        frame. Without `blocks` their events come without HTML. A subscription to the same stream is replaced.
        Raises Refused if it does not exist or cannot be read."""
        self.close(generation)
        if after is not None:
            metrics.resumed()
        feed = feed_watch.get().feed(generation)
        viewer = Viewer(self._connection, after, epoch, on_open, partial(self._done, generation), wants_blocks=blocks)
        self._open[generation] = feed, viewer
        self._connection.live_streams += 1
        feed.register(viewer)
        try:
            await viewer.opened
        except BaseException:
            feed.drop(viewer)
            raise

    def close(self, generation: str) -> None:
        entry = self._open.get(generation)
        if entry is not None:
            feed, viewer = entry
            viewer.refuse(Refused("The subscription was closed before it was open.", code="closed"))
            feed.drop(viewer)

    def live(self) -> list[StreamHead]:
        """Where this socket stands in each stream it follows live; those who catch up are left out."""
        return [
            {"generation": generation, "position": str(feed.timeline.last), "epoch": feed.timeline.epoch}
            for generation, (feed, viewer) in self._open.items()
            if viewer in feed.live
        ]

    async def aclose(self) -> None:
        """The socket is gone."""
        for generation in list(self._open):
            self.close(generation)

    def _done(self, generation: str) -> None:
        if self._open.pop(generation, None) is not None:
            self._connection.live_streams -= 1
