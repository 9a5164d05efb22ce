"""What the viewers of one waiting generation were told last, and when they are told again. Pure.

One per waiting generation and web process. All its viewers see the same numbers; whoever comes later gets the last ones
counted down by the time since, as everybody else's screen shows them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from streaming.events import Queued, encode
from streaming.lane_snapshot import Place
from streaming.wait_announcer import Announcement, Announcer
from streaming.wait_board import Board, Wait

ENQUEUED_WITHIN_MS: Final = 300
"""A row becomes a ticket this soon. A board drawn before that does not know of it, and would promise too much."""


class RowWait(NamedTuple):
    """What a waiting row says of its place. `place` None: it has none yet, or none was written. `since_ms`: it waits
    from then on; `retry_ms`: its own next try, 0 if there is none."""

    lane: str
    place: Place | None
    since_ms: int
    retry_ms: int = 0


class WaitTeller:
    """Times called `now` are seconds of any steady clock."""

    def __init__(self, generation: str, since_ms: int) -> None:
        self.generation = generation
        self.wait: RowWait | None = None
        self._since_ms = since_ms
        self._announcer = Announcer()
        self._said: Announcement | None = None
        self._said_at = 0.0

    @property
    def lane(self) -> str:
        return self.wait.lane if self.wait is not None else ""

    @property
    def is_placed(self) -> bool:
        return self.wait is not None and self.wait.place is not None

    def learn(self, wait: RowWait) -> None:
        """From its row."""
        self.wait = wait

    def consider(self, board: Board, now: float) -> str | None:
        """The frame that its viewers should get because of this board."""
        wait = self.wait
        if wait is None or wait.place is None or board.now_ms < max(wait.since_ms, self._since_ms) + ENQUEUED_WITHIN_MS:
            return None
        if board.now_ms < wait.retry_ms and not board.closed:
            return None  # its viewers see when it is tried again: nothing in the lane can start it sooner
        return self._announce(board.wait(wait.place), now)

    def nobody_can_tell(self, now: float) -> str | None:
        """The boards have stopped: a countdown without them would be a guess."""
        return self._announce(Wait(self._said.ahead, None, None), now) if self._said else None

    def latest(self, now: float) -> Queued | None:
        """For somebody who comes now; None: nothing was said yet."""
        said = self._said
        if said is None:
            return None
        passed_s = now - self._said_at
        return Queued(
            generation=self.generation,
            reason="waiting",
            message=said.message,
            ahead=said.ahead,
            p50_s=_left(said.p50_s, passed_s),
            p90_s=_left(said.p90_s, passed_s),
            why=said.why if passed_s else said.reason or said.why,
            resume_s=_left(said.resume_s, passed_s) or None,
        )

    def _announce(self, wait: Wait, now: float) -> str | None:
        announcement = self._announcer.consider(wait, now)
        if announcement is None:
            return None
        self._said, self._said_at = announcement, now
        queued = self.latest(now)
        assert queued is not None
        return encode(queued)


def _left(seconds: float | None, passed_s: float) -> float | None:
    return None if seconds is None else round(max(0.0, seconds - passed_s), 1)
