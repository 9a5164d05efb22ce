"""What each worker process says of itself in the value of its lease, and all of that together for people."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from redis.asyncio import Redis

from streaming import keys
from streaming.witness import LEASE_S

_STARTED_AT: Final = time.time()


class Pace:
    """Tokens per second between two looks at a count that only grows."""

    def __init__(self) -> None:
        self._seen, self._at = 0, time.monotonic()

    def per_s(self, tokens: int) -> float:
        now = time.monotonic()
        rate = (tokens - self._seen) / max(0.001, now - self._at)
        self._seen, self._at = tokens, now
        return round(max(0.0, rate), 1)


@dataclass(frozen=True, slots=True)
class WorkerNow:
    """`state`: working; resting (by an administrator's order); ending (it was asked to end). `beat_s`: seconds since
    its last sign of life. `slots_max`: streams that it can run at once."""

    id: str
    state: str
    runs: int
    slots_max: int
    tokens_per_s: float
    version: str
    started_at: float
    beat_s: float

    @property
    def busy(self) -> int:
        """In per cent."""
        return round(100 * self.runs / self.slots_max) if self.slots_max else 0


def about(state: str, runs: int, slots_max: int, tokens_per_s: float) -> dict[str, Any]:
    """Of this process."""
    return {
        "state": state, "runs": runs, "slots_max": slots_max, "tokens_per_s": tokens_per_s,
        "version": _version(), "started_at": round(_STARTED_AT),
    }  # fmt: skip


async def workers_now(client: Redis) -> list[WorkerNow]:
    """All that live, in the order of their ids. Two round trips, however many there are."""
    members: Collection[Any] = await client.smembers(keys.WORKERS_KNOWN)
    known = sorted(name.decode() for name in members)
    pipe = client.pipeline(transaction=False)
    for name in known:
        pipe.get(keys.worker_lease(name))
        pipe.pttl(keys.worker_lease(name))
    replies = await pipe.execute() if known else []
    pairs = zip(known, replies[::2], replies[1::2], strict=True)
    return [_worker(name, lease, left_ms) for name, lease, left_ms in pairs if lease is not None]


def _worker(name: str, lease: bytes, left_ms: int) -> WorkerNow:
    """One of another release may say less."""
    said: Any = json.loads(lease)
    said = said if isinstance(said, dict) else {}
    return WorkerNow(
        id=name,
        state=str(said.get("state", "working")),
        runs=int(said.get("runs", 0)),
        slots_max=int(said.get("slots_max", said.get("slots", 0))),
        tokens_per_s=float(said.get("tokens_per_s", 0.0)),
        version=str(said.get("version", "")),
        started_at=float(said.get("started_at", 0.0)),
        beat_s=round(max(0.0, LEASE_S - left_ms / 1000), 1),
    )


def _version() -> str:
    try:
        return version("chatsite")
    except PackageNotFoundError:  # run from a folder that is not installed
        return ""
