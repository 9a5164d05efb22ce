"""A lane's board, as the pacer's holder tells it each tick: one snapshot in, one small picture out to all processes.
The estimate between the two is made by a process of its own (`forecasts`).
"""

from __future__ import annotations

from typing import Any, Final

from streaming import accuracy, database, fanout
from streaming.forecaster import Question
from streaming.forecasts import Forecasts, NoForecast
from streaming.lane_snapshot import Glance
from streaming.lane_store import LaneStore

DEPTH: Final = 500
STILL_S: Final = 5.0
"""How often the board of a lane is told in which nothing happens: the estimates are the same, counted down."""
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

    async def look(self) -> Glance:
        if self._run != self._forecasts.run:  # it knows nothing of the lane's past
            self._run, self._events = self._forecasts.run, 0
        return await self._store.glance(DEPTH, self._events)

    async def tell(self, seen: Glance, now: float) -> None:
        """Publishes the board, if it is time to."""
        busy = bool(seen.depth or seen.parked_depth or seen.closed)
        changed = seen.state != self._state if busy else self._was_busy
        if not changed and now < self._quiet_until:
            return
        try:
            told = await self._forecasts.ask(Question(self._store.lane, seen.reply), self._run)
        except NoForecast:
            self.forget()
            raise
        self._events, self._state = seen.events, seen.state
        self._was_busy, self._quiet_until = busy, now + (STILL_S if busy else QUIET_S)
        group = fanout.boards_group()
        await fanout.send(group, {"type": "lane.board", "g": group, "f": told.board})
        if told.outcomes:
            await database.call(accuracy.keep, self._store.lane, told.outcomes)

    def forget(self) -> None:
        """The lane was built again, or the estimates begin anew: so does the history."""
        self._events = 0
