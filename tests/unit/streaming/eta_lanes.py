"""Small lanes for the tests of the estimates."""

from __future__ import annotations

from typing import Any

from streaming.eta_run import Lane, Ticket
from streaming.lane_snapshot import Place

OPEN: dict[str, Any] = {
    "closed_s": 0.0,
    "buckets": [],
    "slots": None,
    "user_slots": None,
    "virtual": 0,
    "waiting": [],
    "parked": [],
    "running": [],
    "services_s": [10.0],
}


def a_lane(**more: Any) -> Lane:
    """A lane without limits, but for those given."""
    values = OPEN | more
    typical = tuple(1.0 for _ in values["buckets"])
    return Lane(**({"typical": typical} | values))


def a_line(count: int, *, user: str | None = None, tag: int = 0, needs: tuple[float, ...] = (1.0,)) -> list[Ticket]:
    """`count` tickets in order, of as many users or of one; a lane without buckets takes no needs."""
    return [Ticket(Place(tag, n), user or f"user{n}", needs) for n in range(count)]
