"""G8: what the scripts cost the server and an estimate costs the loop, in real time, with ten thousand waiting."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace

from redis.asyncio import Redis

from streaming.lane_limits import LaneLimits
from streaming.lane_store import LaneStore
from streaming.lane_values import Request, Used
from streaming.wait_board import draw_board
from streaming.wait_estimator import WaitEstimator
from tests.bench.lanes.world import START_MS

DEPTH = 500
SLOTS = 200


@dataclass(slots=True)
class Cost:
    """Milliseconds of each call: `_server` as Valkey counts them, `_trip` as the caller sees them, `_cpu` of this
    process. `slices` are the longest pieces of work between two pauses of a tick."""

    enqueue_server: list[float] = field(default_factory=list)
    drain_server: list[float] = field(default_factory=list)
    drain_trip: list[float] = field(default_factory=list)
    snapshot_server: list[float] = field(default_factory=list)
    snapshot_cpu: list[float] = field(default_factory=list)
    tick_cpu: list[float] = field(default_factory=list)
    slices_cpu: list[float] = field(default_factory=list)
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
    await client.config_set("slowlog-log-slower-than", 0)
    await client.config_set("slowlog-max-len", 20_000)
    await store.set_clock(START_MS)
    await store.open("cost", LIMITS, 3600)
    await store.close("cost")
    await store.configure(OPEN)
    clock = await _fill(store, dice, 400, START_MS, settled=True)
    await store.configure(LIMITS)
    await client.slowlog_reset()
    clock = await _fill(store, dice, waiting + SLOTS, clock)
    cost.enqueue_server = await _server_ms(client)
    cost.memory_mb = (await client.info("memory"))["used_memory"] / 1e6
    await store.configure(LIMITS)
    estimator = WaitEstimator()
    await _tick(store, Cost(), dice, estimator)  # the first one reads the whole past
    await client.slowlog_reset()
    for _ in range(rounds // 15):
        await _tick(store, cost, dice, estimator)
    cost.snapshot_server = await _server_ms(client)
    await store.configure(OPEN)
    await store.set_clock(clock + 60_000)  # the new limits have filled the buckets
    await client.slowlog_reset()
    for _ in range(rounds):
        began = time.perf_counter()
        assert len((await store.drain(1)).admitted) == 1
        cost.drain_trip.append((time.perf_counter() - began) * 1000)
    cost.drain_server = await _server_ms(client)
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


async def _tick(store: LaneStore, cost: Cost, dice: random.Random, estimator: WaitEstimator) -> None:
    """As the pacer does it: a snapshot, the estimate in slices, the board."""
    began = time.process_time()
    seen = await store.snapshot(DEPTH, estimator.events)
    parsed = sliced = time.process_time()
    cost.snapshot_cpu.append((parsed - began) * 1000)
    slices = estimator.estimate(seen, dice.random)
    while True:
        try:
            next(slices)
        except StopIteration as end:
            forecast = end.value
            cost.slices_cpu.append((time.process_time() - sliced) * 1000)
            break
        now = time.process_time()
        cost.slices_cpu.append((now - sliced) * 1000)
        sliced = now
    cost.board_bytes = len(draw_board("cost", forecast).encode())
    cost.tick_cpu.append((time.process_time() - began) * 1000)


async def _server_ms(client: Redis) -> list[float]:
    """Of every script since the last reset, from the server's own log."""
    entries = await client.slowlog_get(20_000)
    return [entry["duration"] / 1000 for entry in entries if entry["command"].upper().startswith(b"EVAL")]
