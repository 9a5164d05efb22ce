"""One object per event loop: what belongs to the loop that opened its sockets, made its futures or runs its tasks.

A process may have more than one, in turn or in several threads: a worker's bridge, `async_to_sync`, tests. What holds
open connections is not kept here (`redis_client`, `providers`): to drop it is no way to close it.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Its `get` is called per frame in places, so it costs a call and one look into a dictionary."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        # No WeakKeyDictionary: most of what is kept refers to its loop, and would keep it, and so itself, for ever.
        self._made: dict[AbstractEventLoop, T] = {}

    def get(self) -> T:
        """That of the running loop, made at the first call."""
        found = self._made.get(get_running_loop())
        return self._first() if found is None else found

    def pop(self) -> T | None:
        """That of the running loop, which is forgotten: the next `get` makes another."""
        return self._made.pop(get_running_loop(), None)

    def _first(self) -> T:
        # A copy, and `pop`: another thread's loop may come or go between any two steps.
        for loop in list(self._made):
            if loop.is_closed():
                self._made.pop(loop, None)
        made = self._made[get_running_loop()] = self._make()
        return made
