"""One socket's place in one stream: the last position it has, and what is still on its way to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from streaming.catch_up import Piece
from streaming.errors import StreamingError
from streaming.events import START, Position, without_html
from streaming.flow_control import size_of

log = logging.getLogger(__name__)


class Receiver(Protocol):
    """Whom frames are delivered to: a socket's `Connection`, or a `StreamReader`."""

    def deliver(self, frame: str, size: int | None = None) -> bool:
        """Queue a frame. False: no room, nothing was queued; see `when_room`."""

    def when_room(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, when there is room again. Never within this call."""

    @property
    def waiting_bytes(self) -> int:
        """Of what was queued."""


class SubscriptionOpened(NamedTuple):
    """`epoch`: of the log the client now follows; None if there is none yet. `recovered`: whether what follows
    continues exactly where the client was."""

    epoch: str | None
    recovered: bool
    status: str


class Plan(NamedTuple):
    """`pieces` bring a viewer forward in `epoch`; `recovered`: they continue exactly where he was. `ended`: nothing
    comes after them, even if none of them is the end. `snapshot_at`: where their snapshot stands, if there is one."""

    pieces: Sequence[Piece]
    epoch: str | None
    recovered: bool
    ended: bool = False
    snapshot_at: tuple[Position, str | None] | None = None


class Viewer:
    """While it is in its feed's live set it stands where the feed stands, and `position` and `epoch` are not kept up.

    `needs_text`: it cannot go on from where it is (or is nowhere yet) and needs the row's text.
    """

    __slots__ = (
        "_backlog",
        "_next",
        "_on_done",
        "_on_open",
        "connection",
        "ended",
        "epoch",
        "needs_text",
        "opened",
        "position",
        "snapshot_at",
        "wants_blocks",
    )

    def __init__(
        self,
        connection: Receiver,
        after: Position | None,
        epoch: str | None,
        on_open: Callable[[SubscriptionOpened], None],
        on_done: Callable[[], None],
        *,
        wants_blocks: bool = True,
    ) -> None:
        self.wants_blocks = wants_blocks
        self.connection = connection
        self.position = after or START
        self.epoch = None if after is None else epoch or None
        self.needs_text = self.epoch is None
        self.ended = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        #: Where the last snapshot it was given stands: the same one is not sent twice.
        self.snapshot_at: tuple[Position, str | None] | None = None
        self._on_open = on_open
        self._on_done = on_done
        self._backlog: Sequence[Piece] = ()
        self._next = 0

    @property
    def is_new(self) -> bool:
        """It has shown nothing yet, so nothing it has could contradict what it gets."""
        return self.position == START and self.epoch is None

    @property
    def is_sending(self) -> bool:
        """Something that was loaded is still to be queued."""
        return self._next < len(self._backlog)

    @property
    def is_open(self) -> bool:
        return self.opened.done()

    def open(self, epoch: str | None, recovered: bool, status: str) -> None:
        """Tell its owner, once, before the first frame."""
        if self.is_open:
            return
        try:
            self._on_open(SubscriptionOpened(epoch, recovered, status))
        except Exception as error:
            log.exception("a subscription could not be opened")
            self.opened.set_exception(error)
            self.ended = True
        else:
            self.opened.set_result(None)

    @property
    def deliver(self) -> Callable[[str, int], bool]:
        return self.connection.deliver if self.wants_blocks else self._deliver_without_html

    def _deliver_without_html(self, frame: str, size: int) -> bool:
        bare = without_html(frame)
        return self.connection.deliver(bare, size if bare is frame else size_of(bare))

    def refuse(self, error: StreamingError) -> None:
        if not self.is_open:
            self.opened.set_exception(error)

    def follow(self, plan: Plan) -> None:
        self.epoch = plan.epoch
        self.needs_text = False
        repeated = plan.snapshot_at is not None and plan.snapshot_at == self.snapshot_at
        self.snapshot_at = plan.snapshot_at
        self.ended = self.ended or plan.ended
        self.load(() if repeated else plan.pieces)

    def load(self, pieces: Sequence[Piece]) -> None:
        """Frames to send next; shared with others, so they are not copied."""
        self._backlog, self._next = pieces, 0

    def send_backlog(self) -> bool:
        """Queue what was loaded as far as there is room; True if nothing is left."""
        while self._next < len(self._backlog):
            piece = self._backlog[self._next]
            if not self.deliver(piece.frame, piece.size):
                return False
            self._next += 1
            self.position = piece.position or self.position
            self.ended = self.ended or piece.is_end
        self._backlog = ()
        self._next = 0
        return True

    def done(self) -> None:
        self._backlog = ()
        self._on_done()
