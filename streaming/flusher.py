"""Sends what sockets were given within one turn of the loop, in its next, without waking a task for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator, Iterator
from typing import Any, Final, Protocol

from streaming.per_loop import PerLoop

SLICE: Final = 100
"""Sockets before the loop gets another turn: some milliseconds."""


class Flushed(Protocol):
    def flush(self) -> None:
        """Must not raise."""


class Flusher:
    """One per process and event loop: see `get`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready: list[Flushed] = []

    def add(self, item: Flushed) -> None:
        """Have `item.flush()` called soon; once per call."""
        if not self._ready:
            self._loop.call_soon(self._flush)
        self._ready.append(item)

    def _flush(self) -> None:
        now, self._ready = self._ready[:SLICE], self._ready[SLICE:]
        if self._ready:
            self._loop.call_soon(self._flush)
        for item in now:
            item.flush()


class Begun:
    """A send that had to wait for something; whoever awaits this brings it to its end."""

    def __init__(self, steps: Iterator[Any], waits_for: Any) -> None:
        self._steps, self._waits_for = steps, waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        return _go_on(self._steps, self._waits_for)


def begin(sending: Awaitable[None]) -> Begun | None:
    """Does it as far as it goes without waiting, which is nearly always to its end (None). It must not ask for its
    task: there is none yet. Raises what it raises."""
    steps = sending.__await__()
    try:
        waits_for = next(steps)
    except StopIteration:
        return None
    return Begun(steps, waits_for)


def _go_on(steps: Any, waits_for: Any) -> Generator[Any, Any, None]:
    """As `yield from` would go on with something that has begun elsewhere."""
    try:
        while True:
            try:
                sent = yield waits_for
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:
                waits_for = steps.throw(error)
            else:
                waits_for = steps.send(sent)
    except StopIteration:
        return


#: The flusher of the running loop.
get: Final = PerLoop(Flusher).get
