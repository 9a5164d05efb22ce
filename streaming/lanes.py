"""Admission: who may start now. This one says "now" to everybody; waiting is then only for a free worker.

The interface is that of a lane with shared provider limits: enqueue and settle each answer with the tickets that may
start because of it, and the caller dispatches them. Nobody else starts a generation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ticket:
    """A generation's place. `admission` is the lane's own number for this permission, opaque to everybody else."""

    generation_id: str
    admission: int = 0


class Admission(Protocol):
    async def enqueue(self, generation_id: str) -> list[Ticket]:
        """Join the queue; idempotent."""
        ...

    async def settle(self, ticket: Ticket) -> list[Ticket]:
        """The ticket's run is over (or was refused): its place is free."""
        ...


class RunNow:
    """No limits: every ticket starts at once."""

    async def enqueue(self, generation_id: str) -> list[Ticket]:
        return [Ticket(generation_id)]

    async def settle(self, ticket: Ticket) -> list[Ticket]:
        return []


_admission: Admission = RunNow()


def get() -> Admission:
    return _admission
