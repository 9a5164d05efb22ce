"""A web process that is asked to end tells its sockets first.

Uvicorn closes all sockets with 1012 the moment it is asked to end, and then everybody would be back in the same
instant, at the processes that are left. So its handler is called a moment later; in between each client is told a time
of its own to come back at.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from chat import sockets
from chat.events import Reconnect, encode
from streaming import conf

#: From the hint to the close: enough for a frame to leave, too short for anybody to notice.
NOTICE_S: Final = 0.5
#: Clients that may come back in a second.
RECONNECTS_PER_S: Final = 100

Handler = Callable[[int, FrameType | None], Any]
_listeners: list[Callable[[], None]] = []
log = logging.getLogger(__name__)


def when_ending(listener: Callable[[], None]) -> None:
    """Have `listener()` called, on the server's loop, when this process is asked to end: for what is no socket."""
    _listeners.append(listener)


def spread_s(clients: int) -> float:
    """The time over which so many clients come back: a few at once, a thousand over all that the settings allow."""
    return min(conf.get().reconnect_spread_s, clients / RECONNECTS_PER_S)


def hint(clients: int) -> str:
    return encode(Reconnect(after_ms=round(1000 * random.uniform(0, spread_s(clients)))))


class Restart:
    """The end of this process: first the hint, then what the server itself does when it is asked to end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, end: Handler) -> None:
        self._loop = loop
        self._end = end
        self._begun = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal's handler. Asked twice, somebody is in a hurry."""
        if self._begun or self._loop.is_closed():
            self._end(number, frame)
            return
        self._begun = True
        self._loop.call_soon_threadsafe(self._tell, number)

    def _tell(self, number: int) -> None:
        registry = sockets.get()
        registry.restarting = True
        count = len(registry.all)
        log.info("asked to end: %d sockets are told", count)
        try:
            for socket in registry.all:
                socket.connection.send_frame(hint(count))
            for listener in _listeners:
                listener()
        finally:
            self._loop.call_later(NOTICE_S if count else 0.0, self._end, number, None)


def prepare() -> None:
    """Come before the server's own handler of SIGTERM, if it has one. Called with each socket, since only then it is
    sure that the server has installed it."""
    if threading.current_thread() is not threading.main_thread():
        return
    former = signal.getsignal(signal.SIGTERM)
    if not callable(former) or isinstance(getattr(former, "__self__", None), Restart):
        return  # the system's default, or we are there already
    signal.signal(signal.SIGTERM, Restart(asyncio.get_running_loop(), former).handle)
