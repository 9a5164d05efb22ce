"""One timer per process for all its sockets: heartbeats, and the deadlines of sends, acknowledgements and pongs.

A timer of its own per send or per socket would cost more than the frames do.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from streaming.per_loop import PerLoop

TICK_S: Final = 1.0
TICK_MAX_S: Final = 2.0
"""A tick counts at most this: while the process itself stood still (a starved machine, a blocked loop) no client could
have been heard, and nobody is closed for that."""
SLICE: Final = 500
"""Sockets looked at before the loop gets another turn: about 0.5 ms."""

log = logging.getLogger(__name__)


class Ticked(Protocol):
    def tick(self, now: float) -> None: ...


class Ticker:
    """Calls `tick(now)` on everything registered, about once a second. It runs only while there is something.

    `now` is its own clock, in seconds: it stands while the ticker does, and deadlines are counted in it.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._ticked: dict[Ticked, None] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, item: Ticked) -> None:
        self._ticked[item] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="heartbeat")

    def discard(self, item: Ticked) -> None:
        self._ticked.pop(item, None)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while self._ticked:
            await asyncio.sleep(TICK_S)
            elapsed, last = loop.time() - last, loop.time()
            self.now += min(elapsed, TICK_MAX_S)
            for count, item in enumerate(list(self._ticked), 1):
                if item in self._ticked:
                    _tick(item, self.now)
                if count % SLICE == 0:
                    await asyncio.sleep(0)
        self._task = None


def _tick(item: Ticked, now: float) -> None:
    try:
        item.tick(now)
    except Exception:  # one broken socket must not take the heartbeat from all others
        log.exception("a socket's tick failed")


#: The ticker of the running loop.
get: Final = PerLoop(Ticker).get
