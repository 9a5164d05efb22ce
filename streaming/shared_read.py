"""Reads shared by those who wait for one: one runs, one is pending.

Whoever comes while a read runs gets the next one: a read that started before he was registered may have missed an event
that was published before his registration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from streaming.viewer import Viewer

RETRY_S: Final = 0.25
RETRY_MAX_S: Final = 5.0


class SharedRead:
    """`read(waiters)` reads and serves; it must not raise. Those whom it parks are read for again, ever more slowly."""

    def __init__(self, read: Callable[[list[Viewer]], Awaitable[None]]) -> None:
        self._read = read
        self._waiting: dict[Viewer, None] = {}
        self._parked: dict[Viewer, None] = {}
        self._wanted = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._retry_s = RETRY_S

    def want(self, viewer: Viewer | None = None) -> None:
        """A read that starts from now on; without a viewer, for the feed itself."""
        if viewer is not None:
            self._waiting[viewer] = None
        self._wanted = True
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._run(), name="stream read")

    def want_later(self, viewer: Viewer | None = None) -> None:
        if viewer is not None:
            self._parked[viewer] = None
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._retry_s, self._retry)
            self._retry_s = min(self._retry_s * 2, RETRY_MAX_S)

    def forget(self, viewer: Viewer) -> None:
        self._waiting.pop(viewer, None)
        self._parked.pop(viewer, None)

    def close(self) -> None:
        """No more reads. A running one ends by its own deadlines: cancelling it would cost Redis a connection."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _retry(self) -> None:
        self._timer = None
        self._waiting.update(self._parked)
        self._parked.clear()
        self.want()

    async def _run(self) -> None:
        while self._wanted and not self._closed:
            waiters, self._waiting = list(self._waiting), {}
            self._wanted = False
            await self._read(waiters)
            if self._timer is None:  # nothing had to be put off
                self._retry_s = RETRY_S
        self._task = None
