"""A lane's board, as the pacer's holder tells it: one snapshot in, one small picture out to all processes.
The estimate between the two is made by a process of its own (`forecasts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from streaming import accuracy, database, fanout
from streaming.forecaster import Question
from streaming.forecasts import Forecasts, NoForecast
from streaming.lane_snapshot import Glance, events_of
from streaming.lane_store import LaneStore

DEPTH: Final = 500
STILL_S: Final = 5.0
"""How often the board of a lane is told in which nothing happens: the estimates are the same, counted down."""
AGAIN_S: Final = 0.5
"""After a change it is told in the next round as well: who came a moment before the first board is not yet held to be
in it (`wait_teller`)."""
QUIET_S: Final = 10.0
"""The same where nobody waits: a web process that is new knows it then."""


class LaneBoards:
    """Of one lane. Times called `now` are seconds of any steady clock."""

    def __init__(self, store: LaneStore, forecasts: Forecasts) -> None:
        self._store, self._forecasts = store, forecasts
        self._events, self._run = 0, forecasts.run
        self._was_busy = False
        self._state: tuple[Any, ...] = ()
        self._quiet_until = float("-inf")

    async def look(self, now: float) -> tuple[Glance, Sequence[Any] | None]:
        """What is cheap to know, and the whole picture if it is time to tell it."""
        seen = await self._store.glance()
        if not self._is_due(seen, now):
            return seen, None
        if self._run != self._forecasts.run:  # it knows nothing of the lane's past
            self._run, self._events = self._forecasts.run, 0
        return seen, await self._store.unread_snapshot(DEPTH, self._events)

    async def tell(self, seen: Glance, picture: Sequence[Any], now: float) -> None:
        """Publishes the board. What changed since the look is a change for the next one."""
        try:
            told = await self._forecasts.ask(Question(self._store.lane, picture), self._run)
        except NoForecast:
            self.forget()
            raise
        changed, self._was_busy = seen.state != self._state, _is_busy(seen)
        self._events, self._state = events_of(picture), seen.state
        self._quiet_until = now + (QUIET_S if not self._was_busy else AGAIN_S if changed else STILL_S)
        group = fanout.boards_group()
        await fanout.send(group, {"type": "lane.board", "g": group, "f": told.board})
        if told.outcomes:
            await database.call(accuracy.keep, self._store.lane, told.outcomes)

    def _is_due(self, seen: Glance, now: float) -> bool:
        changed = seen.state != self._state if _is_busy(seen) else self._was_busy
        return changed or now >= self._quiet_until

    def forget(self) -> None:
        """The lane was built again, or the estimates begin anew: so does the history."""
        self._events = 0


def _is_busy(seen: Glance) -> bool:
    return bool(seen.depth or seen.parked_depth or seen.closed)
