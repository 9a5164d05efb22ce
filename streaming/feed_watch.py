"""All feeds of a process, and the look after the quiet ones.

The channel layer may lose any message; a lost one shows when the next comes. After the last one nothing comes, and a
worker may die between the row's end and its event. So all streams that were silent for a period are compared with
their logs' heads in one round trip, and with their rows in one query.

Meanwhile the process takes part in the watch over the workers: whoever is looked at by people loses no time when the
only worker dies.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import Final

from django.db import Error as DatabaseError
from redis import RedisError

from streaming import conf, database, redis_client, witness
from streaming.errors import Refused
from streaming.feed_reading import load_statuses
from streaming.per_loop import PerLoop
from streaming.replay_log import LogHead, ReplayLog
from streaming.states import LIVE
from streaming.stream_feed import StreamFeed

#: Streams per round trip and per query.
BATCH: Final = 500

log = logging.getLogger(__name__)


class Feeds:
    """One per process and event loop: see `get`."""

    def __init__(self) -> None:
        self._feeds: dict[str, StreamFeed] = {}
        self._watch: asyncio.Task[None] | None = None
        self._witness: asyncio.Task[None] | None = None

    def feed(self, generation: str) -> StreamFeed:
        """The shared feed of a stream. Register a viewer at once: a feed without viewers is never given up."""
        feed = self._feeds.get(generation)
        if feed is None:
            feed = self._feeds[generation] = StreamFeed(generation, self._forget)
        if self._watch is None:
            self._watch = asyncio.create_task(self._look_after_quiet_ones(), name="feed watch")
        if self._witness is None:
            self._witness = asyncio.create_task(self._bear_witness(), name="witness")
        return feed

    def all(self) -> Collection[StreamFeed]:
        return self._feeds.values()

    def _forget(self, feed: StreamFeed) -> None:
        if self._feeds.get(feed.generation) is feed:
            del self._feeds[feed.generation]

    async def _look_after_quiet_ones(self) -> None:
        while self._feeds:
            await asyncio.sleep(conf.get().heartbeat_live_s)
            quiet = [feed for feed in self._feeds.values() if feed.quiet]
            for feed in self._feeds.values():
                feed.quiet = True
            for start in range(0, len(quiet), BATCH):
                try:
                    await self._compare(quiet[start : start + BATCH])
                except Exception:  # the watch must outlive any defect: without it a lost last event stays lost
                    log.exception("quiet streams could not be compared")
        self._watch = None

    async def _bear_witness(self) -> None:
        while self._feeds:
            try:
                await witness.look(redis_client.get())
            except (RedisError, OSError) as error:  # the break in the watch is what must follow from it
                log.debug("the workers are not watched now: %r", error)
            await asyncio.sleep(witness.PERIOD_S)
        self._witness = None

    async def _compare(self, feeds: Sequence[StreamFeed]) -> None:
        ids = [feed.generation for feed in feeds]
        heads = await _heads(ids)
        try:
            statuses = await database.call(load_statuses, ids)
        except (DatabaseError, OSError) as error:
            log.warning("%d quiet streams cannot be compared with their rows: %r", len(ids), error)
            statuses = None
        for feed, head in zip(feeds, heads, strict=True):
            if statuses is not None and feed.generation not in statuses:
                feed.end_all(Refused("There is no such answer.", code="not_found"))
            elif _is_behind(feed, head) or (statuses is not None and statuses[feed.generation] not in LIVE):
                feed.read_soon()


async def _heads(ids: Sequence[str]) -> Sequence[LogHead | None]:
    try:
        return await ReplayLog(redis_client.get()).heads(ids)
    except (RedisError, OSError) as error:
        log.warning("%d quiet streams cannot be compared with their logs: %r", len(ids), error)
        return [None] * len(ids)


def _is_behind(feed: StreamFeed, head: LogHead | None) -> bool:
    known = feed.timeline
    return head is not None and (head.epoch != known.epoch or head.last > known.last)


#: The feeds of the running loop.
get: Final = PerLoop(Feeds).get
