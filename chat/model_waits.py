"""The present wait of each model, to every open socket: `models.waits`. One per process and event loop: see `get`.

People choose a model before they ask, so they should see then what it costs them in time. The frame is encoded once per
process and change; with thousands of sockets it is handed out in portions.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from chat import sockets
from chat.events import ModelsWaits, ModelWaitData, encode
from chat.sockets import ChatSocket
from streaming import wait_feed
from streaming.per_loop import PerLoop
from streaming.wait_board import Wait

PERIOD_S: Final = 5.0
CHANGE_MIN_S: Final = 5.0
#: A quarter of a short wait matters too, but not from one second to the next.
CHANGE_SHARE: Final = 0.25
CHANGE_SHARE_MIN_S: Final = 2.0
#: The page calls a shorter wait none.
FREE_BELOW_S: Final = 5.0
#: Sockets told before others have their turn: below a millisecond.
PORTION: Final = 50
PAUSE_S: Final = 0.005

Waits = dict[str, ModelWaitData]


def told_as(wait: Wait) -> ModelWaitData:
    return {"p50_s": _tenths(wait.p50_s), "p90_s": _tenths(wait.p90_s), "why": wait.why, "message": wait.message}


def is_news(said: Waits, now: Waits) -> bool:
    """Whether somebody who read the one would be misled without the other."""
    return said.keys() != now.keys() or any(_changed(said[alias], wait) for alias, wait in now.items())


def _changed(said: ModelWaitData, now: ModelWaitData) -> bool:
    before, after = said["p50_s"], now["p50_s"]
    if (said["why"], said["message"]) != (now["why"], now["message"]) or (before is None) != (after is None):
        return True
    if before is None or after is None:
        return False
    by = abs(after - before)
    is_much = by >= CHANGE_MIN_S or by >= max(CHANGE_SHARE_MIN_S, CHANGE_SHARE * before)
    return is_much or (before < FREE_BELOW_S) != (after < FREE_BELOW_S)


def _tenths(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


class ModelWaitsFeed:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._said: Waits = {}
        self._frame = ""
        self._said_at = -PERIOD_S
        self._later: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._feed = wait_feed.get()
        self._feed.watch(self._look)

    def tell(self, socket: ChatSocket) -> None:
        """A new socket; nothing if nothing is known. Whoever has no room gets it, as it is then, when there is some."""
        if self._frame and not socket.connection.deliver(self._frame):
            socket.connection.when_room(partial(self.tell, socket))

    def _look(self) -> None:
        """The boards brought something: now if it is news, or later if the last news is too young."""
        if self._later is not None:
            return
        waits = {alias: told_as(wait) for alias, wait in self._feed.model_waits().items()}
        if not is_news(self._said, waits):
            return
        too_early_s = self._said_at + PERIOD_S - self._loop.time()
        if too_early_s > 0:
            self._later = self._loop.call_later(too_early_s, self._look_again)
        else:
            self._said, self._said_at = waits, self._loop.time()
            self._frame = encode(ModelsWaits(waits=waits))
            self._tell_all()

    def _look_again(self) -> None:
        self._later = None
        self._look()

    def _tell_all(self) -> None:
        if self._task is None:
            self._task = self._loop.create_task(self._go_round(), name="models waits")

    async def _go_round(self) -> None:
        try:
            frame = ""
            while frame != self._frame:
                frame = self._frame
                await self._portions(list(sockets.get().all))
        finally:
            self._task = None

    async def _portions(self, everybody: list[ChatSocket]) -> None:
        for start in range(0, len(everybody), PORTION):
            for socket in everybody[start : start + PORTION]:
                self.tell(socket)
            await asyncio.sleep(PAUSE_S)


#: That of the running loop.
get: Final = PerLoop(ModelWaitsFeed).get
