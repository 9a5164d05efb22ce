"""Snapshots of a lane for the tests of estimates, as its script would give them."""

from __future__ import annotations

from typing import Any

from streaming.lane_snapshot import Place, Snapshot, Waiting

OPEN: dict[str, Any] = {
    "now_ms": 1_000_000,
    "epoch": "epoch",
    "virtual": 0,
    "parked_depth": 0,
    "closed": "",
    "closed_until_ms": 0,
    "blocked": "",
    "slots": None,
    "user_slots": None,
    "events": 0,
    "buckets": {},
    "running": [],
    "waiting": [],
    "parked": [],
    "deep": [],
    "finish": {},
}


def a_snapshot(**more: Any) -> Snapshot:
    values = OPEN | more
    return Snapshot(**({"depth": len(values["waiting"])} | values))


def a_waiting(number: int, *, tag: int = 0, user: str | None = None, queued_ms: int = 1_000_000) -> Waiting:
    return Waiting(f"g{number}", Place(tag, number), user or f"user{number}", 100, 200, queued_ms)
