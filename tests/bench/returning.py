"""Viewers who come back: after their socket was lost, and to an answer of which they have a part."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

from tests.bench.followed import Followed, Reader
from tests.bench.viewers import ChatViewer, Faults

#: As the page does it (streaming/static/streaming/js/backoff.js).
BASE_S, MAX_S = 0.5, 15.0
#: Without any manners: the next try follows the last one at once.
RUDE_S = 0.1


class ReturningViewer(ChatViewer):
    """Goes on with its streams where it stood, on a new socket."""

    jitter = True

    def __init__(self, reader: Reader, faults: Faults, on_end: Callable[[], None]) -> None:
        super().__init__(reader, faults, on_end)
        self.tries = self.back_ns = 0
        self._away = self._gone = False
        self._address: tuple[int, str, str] = (0, "", "")
        self._return: asyncio.Task[None] | None = None

    async def open(self, port: int, path: str, cookie: str) -> None:
        self._address = (port, path, cookie)
        await super().open(port, path, cookie)

    async def command(self, kind: str, **fields: Any) -> dict[str, Any]:
        answer = await super().command(kind, **fields)
        if kind == "stream.subscribe":
            self.streams[fields["generation"]].epoch = answer["epoch"]
        return answer

    def ack(self) -> None:
        if self.is_open:
            super().ack()

    def _closed(self, code: int) -> None:
        self.is_open, self._gone = False, True
        if not self._hello.done():
            self._hello.set_result(None)  # nobody will say it; `_come_back` looks
        if not self._closing and self._return is None:
            self._away, self.back_ns = True, 0
            self._return = asyncio.create_task(self._come_back())

    async def _come_back(self) -> None:
        attempt = 0
        while True:
            await asyncio.sleep(self._pause(attempt))
            attempt += 1
            self.tries += 1
            self._hello, self._gone = asyncio.get_running_loop().create_future(), False
            self._received = self._unacked_bytes = self.unacked_since = 0
            try:
                await super().open(*self._address)
            except OSError:
                continue
            if not self._gone:
                break
        self._return = None
        for stream in self.streams.values():
            if not stream.end:
                self.resume(stream)

    def _pause(self, attempt: int) -> float:
        return random.random() * min(MAX_S, BASE_S * 2**attempt) if self.jitter else RUDE_S * (attempt > 0)

    def _message(self, message: bytes) -> None:
        before = [stream.events for stream in self.streams.values()] if self._away else []
        super()._message(message)
        if self._away and before != [stream.events for stream in self.streams.values()]:
            self._away, self.back_ns = False, time.time_ns()


class RudeViewer(ReturningViewer):
    jitter = False


class ResumingViewer(ChatViewer):
    """Counts what it is sent."""

    bytes = 0

    def _message(self, message: bytes) -> None:
        self.bytes += len(message)
        super()._message(message)


async def resume(
    known: Followed, missing: int, times: int, *, address: tuple[int, str, str], faults: Faults
) -> dict[str, Any]:
    """Somebody has this ended answer but for its last `missing` bytes (0 or more; -1: has nothing at all), and asks for
    the rest, so many times: how long until the end is there, and how much was sent for it."""
    took_ms, sent, lacked = [], 0, 0
    for _ in range(times):
        ended = asyncio.Event()
        viewer = ResumingViewer(Reader(shared=False), faults, ended.set)
        await viewer.open(*address)
        stream = _without_the_last(known, missing)
        lacked = sum(len(text.encode()) for text in known.texts) - sum(len(text.encode()) for text in stream.texts)
        viewer.streams[known.generation] = stream
        viewer.bytes, started = 0, time.perf_counter()
        viewer.resume(stream)
        async with asyncio.timeout(30):
            await ended.wait()
        took_ms.append((time.perf_counter() - started) * 1000)
        sent = viewer.bytes
        if not stream.is_whole:
            faults.add("resumed texts that are not whole")
        viewer.close()
    return {"missed": lacked, "took_ms": took_ms, "sent": sent}


def _without_the_last(known: Followed, missing: int) -> Followed:
    stream = Followed(known.generation)
    if missing < 0:
        return stream
    count, left = len(known.texts), missing
    while count and left > 0:
        count -= 1
        left -= len(known.texts[count].encode())
    stream.epoch, stream.attempt = known.epoch, known.attempt
    stream.texts, stream.times, stream.seqs = known.texts[:count], known.times[:count], known.seqs[:count]
    stream.seq = known.seqs[count - 1]
    return stream
