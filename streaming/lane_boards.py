"""A lane's estimates, as the pacer's holder makes them each tick: one snapshot in, one board out to all processes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from streaming import accuracy, database, fanout
from streaming.lane_snapshot import Snapshot
from streaming.lane_store import LaneStore
from streaming.wait_board import draw_board
from streaming.wait_estimator import Forecast, WaitEstimator

DEPTH: Final = 500
QUIET_S: Final = 10.0
"""How often the board of a lane where nobody waits is told: a web process that is new knows it then."""


class LaneBoards:
    """Of one lane. `dice` gives random numbers from 0 to 1."""

    def __init__(self, store: LaneStore, dice: Callable[[], float] = random.random) -> None:
        self._store, self._dice = store, dice
        self._estimator = WaitEstimator()
        self._was_busy = False
        self._quiet_until = float("-inf")

    async def look(self) -> Snapshot:
        return await self._store.snapshot(DEPTH, self._estimator.events)

    async def tell(self, seen: Snapshot, now: float) -> None:
        """Publishes the board, if it is time to. `now` in seconds of any steady clock."""
        busy = bool(seen.depth or seen.parked_depth or seen.closed)
        if not (busy or self._was_busy or now >= self._quiet_until):
            return
        self._was_busy, self._quiet_until = busy, now + QUIET_S
        forecast = await self._estimate(seen)
        await self._publish(forecast)
        if forecast.outcomes:
            await database.call(accuracy.keep, self._store.lane, forecast.outcomes)

    def forget(self) -> None:
        """The lane was built again: its history begins anew."""
        self._estimator.events = 0

    async def _estimate(self, seen: Snapshot) -> Forecast:
        """The loop carries streams: it gets its turn after each slice, which takes 2 ms at most."""
        slices = self._estimator.estimate(seen, self._dice)
        while True:
            try:
                next(slices)
            except StopIteration as end:
                forecast: Forecast = end.value
                return forecast
            await asyncio.sleep(0)

    async def _publish(self, forecast: Forecast) -> None:
        group, board = fanout.boards_group(), draw_board(self._store.lane, forecast)
        await fanout.send(group, {"type": "lane.board", "g": group, "f": board.encode()})
