"""How busy the site is, minute by minute: what processes count meets in one hash per minute in Redis, from where the
pacer's holder writes it to the rows (`bookkeeping`). The holder itself sees the lanes once a second.

Processes tell what they counted every few seconds, so it costs nothing while text passes; what cannot be told is kept
for the next time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable
from typing import Any, Final, cast

from redis import RedisError
from redis.asyncio import Redis

from streaming import keys, metrics, redis_client
from streaming.per_loop import PerLoop

log = logging.getLogger(__name__)

MINUTE_S: Final = 60
TTL_S: Final = 3600
PERIOD_S: Final = 3.0
COUNTS: Final = ("resumes", "gaps_healed", "slow_clients", "shed", "chunks", "chunk_bytes")
_SOCKETS: Final = "sockets:"


def minute_of(at: float | None = None) -> int:
    """The start of a minute, in seconds since 1970."""
    now = int(time.time() if at is None else at)
    return now - now % MINUTE_S


class SocketPeak:
    """The most sockets that a web process had in a minute."""

    def __init__(self, web_id: str) -> None:
        self.web_id = web_id
        self._minute = self._most = 0

    def see(self, sockets: int, minute: int) -> int:
        self._most = sockets if minute != self._minute else max(self._most, sockets)
        self._minute = minute
        return self._most


async def tell(client: Redis, peak: SocketPeak | None = None, sockets: int = 0) -> None:
    """What this process counted since the last time. Never raises."""
    counts, minute = metrics.drain_counts(), minute_of()
    if not counts and peak is None:
        return
    name, pipe = keys.load(minute), client.pipeline(transaction=True)
    for field, number in counts.items():
        pipe.hincrby(name, field, number)
    if peak is not None:
        pipe.hset(name, f"{_SOCKETS}{peak.web_id}", str(peak.see(sockets, minute)))
    pipe.expire(name, TTL_S)
    try:
        await pipe.execute()
    except (RedisError, OSError, TimeoutError) as error:
        metrics.give_back(counts)
        log.debug("what was counted could not be told (%s)", type(error).__name__)


async def _tell_later() -> None:
    await asyncio.sleep(PERIOD_S)
    _telling.pop()  # first: what is counted from here on is told by the next
    await tell(redis_client.get())


_telling: Final = PerLoop(lambda: asyncio.create_task(_tell_later()))


def tell_soon() -> None:
    """For a process that tells nothing by itself: something was counted."""
    _telling.get()


async def counted(client: Redis, minute: int) -> dict[str, int]:
    """What all processes told of a minute, as columns of `LoadRollup`."""
    told = await cast(Awaitable[dict[Any, Any]], client.hgetall(keys.load(minute)))
    found = {name.decode(): int(number) for name, number in told.items()}
    sums = {name: found[name] for name in COUNTS if found.get(name)}
    sockets = sum(number for name, number in found.items() if name.startswith(_SOCKETS))
    return sums | ({"peak_sockets": sockets} if sockets else {})


class Peaks:
    """What the pacer's holder saw of the lanes. Lane "": all of them together."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, int]] = {}
        self._minutes: dict[int, dict[str, list[int]]] = defaultdict(dict)

    def see(self, lane: str, running: int, waiting: int, minute: int | None = None) -> None:
        self._newest[lane] = running, waiting
        metrics.LANE_RUNNING.labels(lane).set(running)
        metrics.QUEUE_DEPTH.labels(lane).set(waiting)
        whole = tuple(map(sum, zip(*self._newest.values(), strict=True)))
        most = self._minutes[minute_of() if minute is None else minute]
        for name, (runs, waits) in ((lane, (running, waiting)), ("", whole)):
            peak = most.setdefault(name, [0, 0])
            peak[:] = max(peak[0], runs), max(peak[1], waits)

    def take(self, minute: int) -> dict[str, dict[str, int]]:
        """The peaks of a minute, per lane, as columns of `LoadRollup`. Older minutes are forgotten."""
        for old in [other for other in self._minutes if other < minute]:
            del self._minutes[old]
        found = self._minutes.get(minute, {})
        return {lane: {"peak_running": runs, "peak_waiting": waits} for lane, (runs, waits) in found.items()}

    def rest(self) -> None:
        """Another process sees them from now on."""
        if self._newest:
            self._newest.clear()
            self._minutes.clear()
            metrics.LANE_RUNNING.clear()
            metrics.QUEUE_DEPTH.clear()


peaks: Final = Peaks()
