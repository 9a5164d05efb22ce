"""The process that holds the pacer's lease, with nothing to do but to keep one crowded lane (see `inside`).

fill      {waiting}    an own database and lane: so many wait, 200 run, and there is a past to estimate from → {}
ticks     {count}      boards one after the other → milliseconds of processor time, and of the loop's part of it
hold      {seconds}    as the pacer does it, in real time → what it cost, and what each web process was sent
rebuild   {}           Redis loses its memory → seconds until everybody waits where they waited before
drains    {count}      one starts at each → milliseconds, as the server counts them, per round of 100
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import uvloop
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone
from redis.asyncio import Redis

from streaming import conf, database, fanout, keys, lane_boards, lane_keeper, lanes, redis_client, wake_ups
from streaming.cancellation import cancel
from streaming.forecaster import Question, Told
from streaming.forecasts import Forecasts
from streaming.lane_boards import LaneBoards
from streaming.lane_keeper import LaneKeepers
from streaming.lane_rebuild import Orders, Reconciler, rebuild
from streaming.lane_snapshot import Place
from streaming.lane_values import Request, Ticket, Used
from streaming.models import Generation, Lane
from streaming.states import Status
from tests.bench import machine
from tests.bench.lanes.cost import LIMITS, OPEN, ROUND, SLOTS, scripts_ms

LANE = "bench"
PAST = 400
PEOPLE = 3000
PAUSE_MS = 100
WEB_PROCESSES = 2
LEASE_S = 3600.0


async def _to_nobody(tickets: Sequence[Ticket]) -> None:
    """Nobody is there to start."""


class Holder:
    def __init__(self) -> None:
        self._dice = random.Random(3)
        self._store = lanes.store(LANE)
        self._orders = Orders(LIMITS)
        self._rows: list[Generation] = []
        wake_ups.send = _to_nobody

    async def fill(self, waiting: int) -> dict[str, Any]:
        people = await database.call_to_end(_make_people)
        self._clock_ms = round(time.time() * 1000) - PAUSE_MS * (PAST + SLOTS + waiting)
        await self._store.set_clock(self._clock_ms)
        await self._store.open("bench", OPEN, LEASE_S)
        await self._store.close("bench")
        for _ in range(PAST):
            await self._arrive(people, settled=True)
        await self._store.configure(LIMITS)
        for _ in range(SLOTS + waiting):
            await self._arrive(people)
        await redis_client.get().hdel(keys.lane(LANE)[0], "clock")  # from now on time is real
        await database.call_to_end(_save, self._rows)
        await database.call(Lane.objects.create, name=LANE, **asdict(LIMITS))
        return {"waiting": (await self._store.snapshot(1)).depth}

    async def _arrive(self, people: list[int], *, settled: bool = False) -> None:
        self._clock_ms += PAUSE_MS
        await self._store.set_clock(self._clock_ms)
        name, tokens, user = str(uuid.uuid4()), self._dice.randrange(200, 1500), self._dice.choice(people)
        answer = await self._store.enqueue(Request(name, str(user), tokens, tokens, 6 * tokens))
        started = {ticket.generation_id: ticket for ticket in answer.drained.admitted}
        for ticket in started.values():
            await self._store.start(ticket, "worker", LEASE_S)
            if settled:
                used = Used(tokens, self._dice.randrange(100, 1500), 6 * tokens)
                await self._store.settle(ticket, used, good=True)
        if not settled:
            self._rows.append(_row(name, user, tokens, answer.place, started.get(name), self._clock_ms))

    async def ticks(self, count: int) -> dict[str, Any]:
        forecasts, estimates_ms = Forecasts(), list[float]()
        boards, loop_ms = LaneBoards(self._store, _timed(forecasts, estimates_ms)), list[float]()
        for tick in range(count + 1):
            began = time.process_time()
            now = tick * lane_boards.STILL_S
            seen, picture = await boards.look(now)
            assert picture is not None
            await boards.tell(seen, picture, now)
            loop_ms.append((time.process_time() - began) * 1000)
        forecasts.end()
        both = zip(loop_ms, estimates_ms, strict=True)
        return {
            "cpu_ms": [sum(pair) for pair in both][1:],
            "loop_ms": loop_ms[1:],
        }  # the first one reads the whole past

    async def hold(self, seconds: float) -> dict[str, Any]:
        ticks, boards_told = 0, lane_keeper.LaneKeeper.tell

        async def tell(self: lane_keeper.LaneKeeper, now: float) -> None:
            nonlocal ticks
            ticks += 1
            await boards_told(self, now)

        lane_keeper.LaneKeeper.tell = tell  # type: ignore[method-assign]
        keepers, clock = LaneKeepers(), asyncio.get_running_loop().time
        async with _web_processes() as boxes:
            began, cpu = clock(), machine.family_cpu_s(os.getpid())
            while clock() - began < seconds:
                await keepers.lead(clock(), 5.0)
                await asyncio.sleep(1.0)
            spent_s, passed_s = machine.family_cpu_s(os.getpid()) - cpu, clock() - began
            await keepers.rest()
        reconciled = time.process_time()
        await Reconciler(self._store).walk(LIMITS.handoff_s)
        return {
            "ticks": ticks,
            "messages": [len(box) for box in boxes],
            "bytes": max(map(max, boxes)),
            "cpu_per_s": spent_s / passed_s,
            "walk_cpu_ms": (time.process_time() - reconciled) * 1000,
        }

    async def rebuild(self) -> dict[str, Any]:
        before = [item.ticket for item in (await self._store.snapshot(1000)).waiting]
        await redis_client.get().flushall()
        began = time.perf_counter()
        await rebuild(self._store, self._orders, "again")
        seconds = time.perf_counter() - began
        after = [item.ticket for item in (await self._store.snapshot(1000)).waiting]
        return {"seconds": seconds, "same": before == after}

    async def drains(self, count: int) -> dict[str, Any]:
        client, rounds, trips_ms = redis_client.get(), list[tuple[float, float]](), list[float]()
        await self._store.configure(OPEN)
        cpu_s = await _server_cpu_s(client)
        for _ in range(count // ROUND):
            await client.config_resetstat()
            for _ in range(ROUND):
                began = time.perf_counter()
                assert len((await self._store.drain(1)).admitted) == 1
                trips_ms.append((time.perf_counter() - began) * 1000)
            rounds.append(await scripts_ms(client))
        found = dict(zip(("p50", "p99"), zip(*rounds, strict=True), strict=True))
        cpu_ms = (await _server_cpu_s(client) - cpu_s) * 1000 / len(trips_ms)
        return {**found, "trips_ms": trips_ms, "cpu_ms": cpu_ms}


async def _server_cpu_s(client: Redis) -> float:
    spent = await client.info("cpu")
    return float(spent["used_cpu_user"] + spent["used_cpu_sys"])


def _timed(forecasts: Forecasts, spent_ms: list[float]) -> Forecasts:
    """Has it note what each estimate took in the other process."""
    ask = forecasts.ask

    async def noting(asked: Question, run: int) -> Told:
        told = await ask(asked, run)
        spent_ms.append(told.cpu_s * 1000)
        return told

    forecasts.ask = noting  # type: ignore[method-assign]
    return forecasts


@contextlib.asynccontextmanager
async def _web_processes() -> Any:
    """What each of some web processes is sent: the sizes of its messages."""
    boxes: list[list[int]] = [[] for _ in range(WEB_PROCESSES)]
    client = Redis.from_url(conf.get().redis_url)
    layers: list[Any] = [client.pubsub() for _ in boxes]
    for layer in layers:
        await layer.subscribe(fanout.group_channel(fanout.boards_group()))

    async def listen(layer: Any, box: list[int]) -> None:
        async for message in layer.listen():
            if message["type"] == "message":
                box.append(len(message["data"]))

    listeners = [asyncio.create_task(listen(layer, box)) for layer, box in zip(layers, boxes, strict=True)]
    yield boxes
    await cancel(*listeners)
    for layer in layers:
        await layer.aclose()
    await client.aclose()


def _make_people() -> list[int]:
    call_command("migrate", verbosity=0)
    model = get_user_model()
    model.objects.bulk_create(model(username=f"person{n}") for n in range(PEOPLE))
    return list(model.objects.values_list("pk", flat=True))


def _row(name: str, user: int, tokens: int, place: Place | None, started: Ticket | None, at_ms: int) -> Generation:
    at = timezone.now() - timedelta(seconds=time.time() - at_ms / 1000)
    row = Generation(pk=uuid.UUID(name), user_id=user, model="bench", lane=LANE, wake_at=at, requested_at=at)
    row.deadline_at = timezone.now() + timedelta(hours=1)
    row.input_estimate, row.output_estimate, row.lane_cost = tokens, tokens, 6 * tokens
    if started is not None:
        row.status, row.admission, row.admitted_at, row.worker = Status.STREAMING, started.admission, at, "worker"
    elif place is not None:
        row.lane_tag, row.lane_seq = place
    return row


def _save(rows: list[Generation]) -> None:
    Generation.objects.bulk_create(rows, batch_size=500)
    Generation.objects.update(requested_at=F("wake_at"))  # the field itself takes the present time


async def _serve() -> None:
    holder = Holder()
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        work: Callable[..., Awaitable[dict[str, Any]]] = getattr(holder, command.pop("do"))
        print(json.dumps(await work(**command)), flush=True)


def serve() -> None:
    uvloop.run(_serve())
