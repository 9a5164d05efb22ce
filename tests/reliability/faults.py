"""Does to a running demo what the nemesis scheduled, and writes down what happened to whom."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import redis

from tests.reliability.load import Asked, Load
from tests.reliability.nemesis import Fault
from tests.reliability.reader import Reader
from tests.reliability.recovery import Injected
from tests.reliability.stage import Stage

SLOW_S = 0.4


class Faults:
    """One scene's. `injected` holds those that happened; a fault whose target is down just then does not happen."""

    def __init__(self, stage: Stage, load: Load, readers: Mapping[str, Reader], seed: str) -> None:
        self.stage, self.load, self.readers = stage, load, readers
        self.injected: list[Injected] = []
        self.missed: Counter[str] = Counter()
        self._chance = random.Random(f"{seed} faults")
        self._ways: dict[str, Callable[[Fault], Awaitable[None]]] = {
            "worker SIGKILL": self._end_worker,
            "worker SIGTERM": self._end_worker,
            "worker SIGSTOP beyond its lease": self._freeze_worker,
            "web SIGKILL": self._end_web,
            "web SIGTERM": self._end_web,
            "Valkey SIGKILL, file kept": self._kill_valkey,
            "Valkey SIGKILL, memory lost": self._kill_valkey,
            "Valkey FLUSHALL": self._flush,
            "Valkey paused": self._pause_valkey,
            "database locked": self._lock_database,
            "client cut": self._leave,
            "client closed": self._leave,
            "client reads slowly": self._slow,
            "client reads nothing": self._deaf,
            "stop": self._stop,
        }

    async def play(self, faults: list[Fault]) -> None:
        """Each at its time, beside the others; returns when the last one is over."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as running:
            for fault in faults:
                await asyncio.sleep(max(0.0, begun + fault.at_s - time.monotonic()))
                running.create_task(self._one(fault))

    async def _one(self, fault: Fault) -> None:
        try:
            await self._ways[fault.kind](fault)
        except Exception as error:  # for example: the process is not up again, the socket is just being opened
            self.missed[f"{fault.kind}: {type(error).__name__}"] += 1

    def _note(
        self, fault: Fault, at: float, *, streams: list[Asked] | None = None, clients: tuple[str, ...] = ()
    ) -> None:
        hit = tuple(asked.stream for asked in streams or ())
        ended_at = time.monotonic() if fault.lasts_s else at
        self.injected.append(Injected(fault.kind, fault.target, at, ended_at, hit, clients))

    # Processes

    def _held(self, name: str) -> list[Asked]:
        """What a worker is answering."""
        pid = str(self.stage.demo.pid(name))
        rows = self.stage.demo.rows("SELECT id, worker FROM streaming_generation WHERE worker <> ''")
        held = {row["id"] for row in rows if row["worker"].split(":")[1] == pid}
        return [asked for asked in self.load.live() if asked.stream.replace("-", "") in held]

    async def _end_worker(self, fault: Fault) -> None:
        held = await asyncio.to_thread(self._held, fault.target)
        if fault.kind == "worker SIGKILL":
            at = self.stage.kill(fault.target)
            self.stage.worker_losses.append(at)
        else:
            at = self.stage.end(fault.target)
        self._note(fault, at, streams=held)

    async def _freeze_worker(self, fault: Fault) -> None:
        held = await asyncio.to_thread(self._held, fault.target)
        at = time.monotonic()
        pid = self.stage.demo.signal(fault.target, signal.SIGSTOP)
        self.stage.worker_losses.append(at)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            self.stage.demo.signal_pid(pid, signal.SIGCONT)
        self._note(Fault(fault.at_s, fault.kind, fault.target, 0.0), at, streams=held)

    async def _end_web(self, fault: Fault) -> None:
        at = (self.stage.kill if fault.kind == "web SIGKILL" else self.stage.end)(fault.target)
        self._note(fault, at)

    # Valkey and the database

    async def _kill_valkey(self, fault: Fault) -> None:
        live = self.load.live()
        if fault.kind == "Valkey SIGKILL, memory lost":
            at = self.stage.kill_valkey_with_its_memory()
        else:
            at = self.stage.kill("valkey")
            self.stage.tail_losses.append(at)
        self._note(fault, at, streams=live)

    async def _flush(self, fault: Fault) -> None:
        live, at = self.load.live(), time.monotonic()
        await asyncio.to_thread(self._flush_all)
        self.stage.memory_losses.append(time.monotonic())
        self._note(fault, at, streams=live)

    def _flush_all(self) -> None:
        with redis.Redis.from_url(self.stage.demo.redis_url, socket_timeout=5) as client:
            client.flushall()

    async def _pause_valkey(self, fault: Fault) -> None:
        live, at = self.load.live(), time.monotonic()
        pid = self.stage.demo.signal("valkey", signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            self.stage.demo.signal_pid(pid, signal.SIGCONT)
        self._note(fault, at, streams=live)

    async def _lock_database(self, fault: Fault) -> None:
        live, at = self.load.live(), time.monotonic()
        await asyncio.to_thread(self._hold_lock, fault.lasts_s)
        self.stage.locked_s = max(self.stage.locked_s, time.monotonic() - at)
        self._note(fault, at, streams=live)

    def _hold_lock(self, seconds: float) -> None:
        with self.stage.demo.database.locked():
            time.sleep(seconds)

    # Clients

    async def _leave(self, fault: Fault) -> None:
        """Without a goodbye, or with one; it comes back by itself."""
        reader, at = self.readers[fault.target], time.monotonic()
        if reader.close_code is not None:
            return
        self._note(fault, at, clients=(reader.name,))
        await (reader.drop() if fault.kind == "client cut" else asyncio.wait_for(reader.close(), 5))

    async def _slow(self, fault: Fault) -> None:
        reader, at = self.readers[fault.target], time.monotonic()
        reader.slow_s = SLOW_S
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            reader.slow_s = 0.0
        self._note(fault, at, clients=(reader.name,))

    async def _deaf(self, fault: Fault) -> None:
        reader, at = self.readers[fault.target], time.monotonic()
        reader.pause()
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            reader.resume()
        self._note(fault, at, clients=(reader.name,))

    async def _stop(self, fault: Fault) -> None:
        live = self.load.live()
        if not live:
            return
        asked, at = self._chance.choice(live), time.monotonic()
        await asked.asker.command("generation.stop", generation=asked.stream)
        self._note(fault, at, streams=[asked])
