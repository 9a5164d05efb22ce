"""The process group of all children, and the guard in it (see `guard.py`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from chatsite.demo.commands import guard_words
from chatsite.demo.options import DemoError


class ProcessGroup:
    def __init__(self, guard: asyncio.subprocess.Process, pipe: int) -> None:
        self.guard = guard
        self._pipe = pipe

    @classmethod
    async def open(cls, lock_descriptor: int) -> ProcessGroup:
        reading, writing = os.pipe()  # `writing` is never inherited: it closes when this process ends, however it ends
        guard = await asyncio.create_subprocess_exec(
            *guard_words(), stdin=reading, process_group=0, pass_fds=(lock_descriptor,)
        )
        os.close(reading)
        return cls(guard, writing)

    @property
    def id(self) -> int:
        return self.guard.pid

    async def watch(self) -> None:
        """Without its guard the demo could leave processes behind: rather end it."""
        await self.guard.wait()
        raise DemoError("The guard process was ended from outside, so the demo ends too.")

    async def close(self) -> None:
        """Ends whoever is left, the guard included."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.id, signal.SIGKILL)
        await self.guard.wait()
        os.close(self._pipe)
