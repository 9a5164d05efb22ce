"""Many at once: nobody is lost, nobody runs twice, no limit is passed, and no token disappears."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from dataclasses import dataclass, field

from redis.asyncio import Redis

from streaming.lane_store import LaneStore
from streaming.lane_values import Penalty, Request, Ticket, Used
from tests.integration.streaming.lane_bed import limits_of
from tests.valkey import Valkey

THREADS, STEPS, SLOTS, OWN_SLOTS = 4, 250, 16, 2
LIMITS = limits_of(
    input_tokens_per_minute=60e9,
    output_tokens_per_minute=60e9,
    burst_s=60,
    concurrency=SLOTS,
    user_concurrency=OWN_SLOTS,
    handoff_s=600,
)


@dataclass
class Tally:
    """What the threads together did."""

    state: dict[str, str] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)
    used: int = 0
    too_many: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Stormer:
    def __init__(self, url: str, number: int, tally: Tally) -> None:
        self._client = Redis.from_url(url)
        self._store = LaneStore(self._client, "storm")
        self._number, self._tally = number, tally
        self._random = random.Random(number)
        self._mine: list[Ticket] = []

    async def storm(self) -> None:
        for step in range(STEPS):
            if self._random.random() < 0.5:
                await self._ask(f"{self._number}-{step}")
            else:
                self._mine += (await self._store.drain(self._random.randrange(1, 5))).admitted
            while self._mine and self._random.random() < 0.7:
                await self._serve(self._mine.pop(0))
        await self._finish()
        await self._client.aclose()

    async def _ask(self, name: str) -> None:
        with self._tally.lock:
            self._tally.state[name] = "waits"
        request = Request(name, f"u{self._random.randrange(20)}", 100, 100, 600)
        self._mine += (await self._store.enqueue(request)).drained.admitted
        if self._random.random() < 0.2:
            answer = await self._store.cancel(name)
            self._mine += answer.drained.admitted
            if answer.status == "CANCELLED":
                self._end(name, 0)

    async def _serve(self, ticket: Ticket) -> None:
        answer = await self._store.start(ticket, f"thread {self._number}")
        self._mine += answer.drained.admitted
        if answer.status == "CANCELLED":
            return self._end(ticket.generation_id, 0)
        assert answer.status == "OK", answer
        seen = await self._store.snapshot(1)
        per_user = Counter(item.user for item in seen.running)
        if len(seen.running) > SLOTS or max(per_user.values()) > OWN_SLOTS:
            self._tally.too_many += 1
        if self._random.random() < 0.2:
            self._mine += (await self._store.requeue(ticket, Penalty())).drained.admitted
            return None
        used = self._random.randrange(1, 200)
        await self._store.beat([(ticket, used // 2)])
        answer = await self._store.settle(ticket, Used(used, used, 6 * used), good=True)
        self._mine += answer.drained.admitted
        return self._end(ticket.generation_id, used)

    def _end(self, name: str, used: int) -> None:
        with self._tally.lock:
            self._tally.state[name] = "ended"
            self._tally.ends[name] += 1
            self._tally.used += used

    async def _finish(self) -> None:
        while True:
            self._mine += (await self._store.drain()).admitted
            if not self._mine:
                return
            await self._serve(self._mine.pop(0))


async def test_a_storm_from_four_threads_conserves_every_ticket_and_every_token(valkey: Valkey) -> None:
    async with Redis.from_url(valkey.url) as client:
        store = LaneStore(client, "storm")
        await store.set_clock(1_700_000_000_000)  # no time passes, so nothing is refilled
        await store.open("epoch", LIMITS, 60)
        await store.close("epoch")
        tally = Tally()
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, in_thread(valkey.url, n, tally)) for n in range(THREADS)))
        last = Stormer(valkey.url, THREADS, tally)
        await last._finish()
        await last._client.aclose()
        assert tally.too_many == 0
        assert set(tally.state.values()) == {"ended"}
        assert set(tally.ends.values()) == {1}
        seen = await store.snapshot(10)
        assert 60e9 - seen.buckets["i"].level == tally.used
        assert 60e9 - seen.buckets["o"].level == tally.used
        assert {key.decode().rpartition(":")[2] async for key in client.scan_iter("lane:*")} == {"state", "history"}
        left = await client.hmget("lane:{storm}:state", ["r_out", "i_out", "o_out"])
        assert [float(value) for value in left] == [0, 0, 0]


async def in_thread(url: str, number: int, tally: Tally) -> None:
    await Stormer(url, number, tally).storm()
