"""G8: what the scripts cost the server, and an estimate costs, in real time, with ten thousand waiting."""

from __future__ import annotations

import pickle
import random
import time
from dataclasses import dataclass, field, replace

from redis.asyncio import Redis

from streaming.forecaster import Forecaster, Question
from streaming.lane_limits import LaneLimits
from streaming.lane_snapshot import events_of
from streaming.lane_store import LaneStore
from streaming.lane_values import Request, Used
from tests.bench.lanes.world import START_MS

DEPTH = 500
ROUND = 100
SLOTS = 200


@dataclass(slots=True)
class Cost:
    """Milliseconds of each call: `_server` as Valkey counts them, p50 and p99 of a round; `_trip` as the caller sees
    them, `_cpu` of this process. `loop_cpu` is the part of a tick that is left to the loop that streams."""

    enqueue_server: tuple[float, float] = (0.0, 0.0)
    snapshot_server: tuple[float, float] = (0.0, 0.0)
    drain_server: list[tuple[float, float]] = field(default_factory=list)
    drain_trip: list[float] = field(default_factory=list)
    loop_cpu: list[float] = field(default_factory=list)
    tick_cpu: list[float] = field(default_factory=list)
    board_bytes: int = 0
    memory_mb: float = 0.0


LIMITS = LaneLimits(
    requests_per_minute=600,
    input_tokens_per_minute=600_000,
    output_tokens_per_minute=360_000,
    concurrency=SLOTS,
    user_queue=None,
    queue_max=None,
    handoff_s=3600,
)
OPEN = replace(
    LIMITS,
    requests_per_minute=1e9,
    input_tokens_per_minute=1e12,
    output_tokens_per_minute=1e12,
    burst_s=60,
    concurrency=10**6,
    user_concurrency=None,
)


async def measure(client: Redis, *, waiting: int, rounds: int) -> Cost:
    store, cost, dice = LaneStore(client, "cost"), Cost(), random.Random(3)
    await store.set_clock(START_MS)
    await store.open("cost", LIMITS, 3600)
    await store.close("cost")
    await store.configure(OPEN)
    clock = await _fill(store, dice, 400, START_MS, settled=True)
    await store.configure(LIMITS)
    await client.config_resetstat()
    clock = await _fill(store, dice, waiting + SLOTS, clock)
    cost.enqueue_server = await scripts_ms(client)
    cost.memory_mb = (await client.info("memory"))["used_memory"] / 1e6
    await store.configure(LIMITS)
    forecaster = Forecaster(dice.random)
    known = await _tick(store, Cost(), forecaster, 0)  # the first one reads the whole past
    await client.config_resetstat()
    for _ in range(rounds // 15):
        known = await _tick(store, cost, forecaster, known)
    cost.snapshot_server = await scripts_ms(client)
    await store.configure(OPEN)
    await store.set_clock(clock + 60_000)  # the new limits have filled the buckets
    for _ in range(rounds // ROUND):
        await client.config_resetstat()
        for _ in range(ROUND):
            began = time.perf_counter()
            assert len((await store.drain(1)).admitted) == 1
            cost.drain_trip.append((time.perf_counter() - began) * 1000)
        cost.drain_server.append(await scripts_ms(client))
    return cost


async def _fill(store: LaneStore, dice: random.Random, count: int, clock: int, *, settled: bool = False) -> int:
    """People who ask, ten per second of virtual time; `settled`: their answers end, for a past to estimate from."""
    for _ in range(count):
        clock += 100
        await store.set_clock(clock)
        name, tokens = f"{dice.getrandbits(128):032x}", dice.randrange(200, 1500)
        answer = await store.enqueue(Request(name, str(dice.randrange(3000)), tokens, tokens, 6 * tokens))
        for ticket in answer.drained.admitted:
            await store.start(ticket, "worker", 36_000)
            if settled:
                await store.settle(ticket, Used(tokens, dice.randrange(100, 1500), 6 * tokens), good=True)
    return clock


async def _tick(store: LaneStore, cost: Cost, forecaster: Forecaster, known: int) -> int:
    """A snapshot on its way to the process that estimates, and what that does with it. Returns how much of the lane's
    history is known then."""
    began = time.process_time()
    await store.glance()
    picture = await store.unread_snapshot(DEPTH, known)
    question = pickle.dumps(Question(store.lane, picture))
    cost.loop_cpu.append((time.process_time() - began) * 1000)
    told = forecaster.tell(pickle.loads(question))
    cost.board_bytes = len(told.board)
    cost.tick_cpu.append((time.process_time() - began) * 1000)
    return events_of(picture)


async def scripts_ms(client: Redis) -> tuple[float, float]:
    """p50 and p99 of all scripts since the last reset, by the server's own clock. (Its slow log would count each
    command inside a script as well, and cost more than they do.)"""
    found = (await client.info("latencystats"))["latency_percentiles_usec_evalsha"]
    return found["p50"] / 1000, found["p99"] / 1000
