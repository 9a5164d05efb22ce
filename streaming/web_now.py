"""What each web process says of its sockets and viewers, every few seconds, and all of that for administrators.

A look costs one step per viewer, in portions, and one round trip; nothing is counted while text passes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import socket
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis import RedisError
from redis.asyncio import Redis

from streaming import feed_watch, keys, load, metrics, redis_client
from streaming.stream_feed import StreamFeed

log = logging.getLogger(__name__)

PERIOD_S: Final = 3.0
TTL_MS: Final = 10_000
KNOWN_TTL_MS: Final = 7 * 24 * 3600 * 1000
#: Viewers looked at before the loop gets another turn.
SLICE: Final = 500


@dataclass(frozen=True, slots=True)
class Viewers:
    """Of one stream, in all web processes. `behind`: those who do not stand where it stands; `waiting_bytes`: the most
    that any of them has not yet acknowledged."""

    count: int = 0
    behind: int = 0
    waiting_bytes: int = 0

    def __add__(self, other: Viewers) -> Viewers:
        most = max(self.waiting_bytes, other.waiting_bytes)
        return Viewers(self.count + other.count, self.behind + other.behind, most)


@dataclass(frozen=True, slots=True)
class WebNow:
    id: str
    sockets: int


class Report:
    """Of this process, one per event loop; runs as long as `sockets()` says that there are some."""

    def __init__(self, sockets: Callable[[], int]) -> None:
        self.id = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._sockets = sockets
        self._peak = load.SocketPeak(self.id)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="web report")

    async def _run(self) -> None:
        try:
            while self._sockets():
                await self.tell()
                await asyncio.sleep(PERIOD_S)
            await self.tell()
        finally:
            self._task = None

    async def tell(self) -> None:
        viewers = await _look(feed_watch.get().all())
        try:
            await _write(redis_client.get(), self.id, self._sockets(), viewers)
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("viewers could not be told (%s)", type(error).__name__)
        metrics.SOCKETS.set(self._sockets())
        await load.tell(redis_client.get(), self._peak, self._sockets())


async def _look(feeds: Collection[StreamFeed]) -> dict[str, Viewers]:
    found, looked_at = dict[str, Viewers](), 0
    for feed in list(feeds):
        found[feed.generation] = Viewers(*feed.viewers_now())
        looked_at += found[feed.generation].count
        if looked_at > SLICE:
            looked_at = 0
            await asyncio.sleep(0)
    return found


async def _write(client: Redis, web_id: str, sockets: int, viewers: dict[str, Viewers]) -> None:
    name = keys.web_viewers(web_id)
    pipe = client.pipeline(transaction=True)
    pipe.set(keys.web_lease(web_id), json.dumps({"sockets": sockets}), px=TTL_MS)
    pipe.sadd(keys.WEBS_KNOWN, web_id)
    pipe.pexpire(keys.WEBS_KNOWN, KNOWN_TTL_MS)
    pipe.delete(name)
    if viewers:
        pipe.hset(name, mapping={generation: _words(seen) for generation, seen in viewers.items()})
        pipe.pexpire(name, TTL_MS)
    await pipe.execute()


def _words(seen: Viewers) -> str:
    return f"{seen.count} {seen.behind} {seen.waiting_bytes}"


async def webs_now(client: Redis) -> list[WebNow]:
    """All that said something of late. Those that did not are forgotten."""
    members: Collection[Any] = await client.smembers(keys.WEBS_KNOWN)
    known = sorted(name.decode() for name in members)
    leases: list[Any] = await client.mget([keys.web_lease(name) for name in known]) if known else []
    if gone := [name for name, lease in zip(known, leases, strict=True) if lease is None]:
        await client.srem(keys.WEBS_KNOWN, *gone)
    pairs = zip(known, leases, strict=True)
    return [WebNow(name, int(json.loads(lease)["sockets"])) for name, lease in pairs if lease is not None]


async def viewers_now(client: Redis, webs: Iterable[WebNow], generations: Sequence[str]) -> dict[str, Viewers]:
    """Who watches these streams; one round trip. Streams that nobody watches are left out."""
    names = [keys.web_viewers(web.id) for web in webs]
    if not names or not generations:
        return {}
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.hmget(name, list(generations))
    found: dict[str, Viewers] = {}
    for row in await pipe.execute():
        for generation, words in zip(generations, row, strict=True):
            if words is not None:
                seen = Viewers(*map(int, words.split()))
                found[generation] = found.get(generation, Viewers()) + seen
    return found
