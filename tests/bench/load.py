"""The load client, a process of its own: reads commands as JSON lines, answers each with one line.

open   {kind, port, sockets: [[path, cookie], …], shared}   connect, a few at a time
watch  {conversations: [one per viewer]}                    as the page does when it shows a conversation
follow {generations: [one per viewer]}                      subscribe to one stream each
ask    {asks: [[at_s, viewer, conversation, text, model]]}  questions at their times; their answers are followed
resume {viewer, port, socket, missing, times}               to its one answer, which has ended: see `returning`
back   {viewers, since_ns, timeout_s}                       until all whose sockets were lost see text again
hold   {seconds}                                            stay, and answer heartbeats → how many are still open
wait   {streams, timeout_s}                                 until so many streams have ended
take   {tokens}                                             what was seen, checked; then forget it
close  {}
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

import uvloop

from tests.bench.followed import Followed, Reader
from tests.bench.returning import ReturningViewer, RudeViewer, resume
from tests.bench.viewers import ACK_NS, ChatViewer, Faults, StockViewer

KINDS = {"chat": ChatViewer, "stock": StockViewer, "returning": ReturningViewer, "rude": RudeViewer}
CONNECT_AT_ONCE = 20
ACK_PERIOD_S = 0.1


class Load:
    def __init__(self) -> None:
        self._viewers: list[Any] = []
        self._faults = Faults()
        self._ended = 0
        self._changed = asyncio.Event()
        self._acker = asyncio.create_task(self._ack_forever())

    async def open(self, kind: str, port: int, sockets: list[list[str]], shared: bool) -> dict[str, Any]:
        reader = Reader(shared)
        started, gate = time.monotonic(), asyncio.Semaphore(CONNECT_AT_ONCE)
        self._viewers = [KINDS[kind](reader, self._faults, self._on_end) for _ in sockets]

        async def open_one(viewer: Any, path: str, cookie: str) -> None:
            async with gate:
                await viewer.open(port, path, cookie)

        await asyncio.gather(*(open_one(v, *socket) for v, socket in zip(self._viewers, sockets, strict=True)))
        return {"seconds": time.monotonic() - started}

    async def watch(self, conversations: list[str]) -> dict[str, Any]:
        started = time.monotonic()
        await self._each("conversation.subscribe", "conversation", conversations)
        return {"seconds": time.monotonic() - started}

    async def follow(self, generations: list[str]) -> dict[str, Any]:
        for viewer, generation in zip(self._viewers, generations, strict=True):
            viewer.streams[generation] = Followed(generation)
        await self._each("stream.subscribe", "generation", generations)
        return {}

    async def _each(self, kind: str, field: str, values: list[str]) -> None:
        gate = asyncio.Semaphore(CONNECT_AT_ONCE)

        async def one(viewer: ChatViewer, value: str) -> None:
            async with gate:
                await viewer.command(kind, **{field: value})

        await asyncio.gather(*(one(v, value) for v, value in zip(self._viewers, values, strict=True)))

    async def ask(self, asks: list[list[Any]]) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for at_s, viewer, *question in asks:
            loop.call_at(start + at_s, self._viewers[viewer].ask, *question)
        return {}

    async def resume(self, viewer: int, port: int, socket: list[str], missing: int, times: int) -> dict[str, Any]:
        (known,) = self._viewers[viewer].streams.values()
        seen = await resume(known, missing, times, address=(port, *socket), faults=self._faults)
        return {**seen, "faults": self._faults.counts}

    async def back(self, viewers: int, since_ns: int, timeout_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while sum(viewer.back_ns > since_ns for viewer in self._viewers) < viewers:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)  # the moments themselves are stamped
        took = [(viewer.back_ns - since_ns) / 1e9 for viewer in self._viewers if viewer.back_ns > since_ns]
        tries = sum(viewer.tries for viewer in self._viewers)
        return {"took_s": took, "tries": tries, "faults": self._faults.counts}

    async def hold(self, seconds: float) -> dict[str, Any]:
        await asyncio.sleep(seconds)
        is_open = sum(viewer.is_open for viewer in self._viewers)
        beats = sum(viewer.heartbeats for viewer in self._viewers)
        return {"open": is_open, "heartbeats": beats, "faults": self._faults.counts}

    async def wait(self, streams: int, timeout_s: float) -> dict[str, Any]:
        try:
            async with asyncio.timeout(timeout_s):
                while self._ended < streams and not self._faults.counts:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self._faults.add(f"{streams - self._ended} of {streams} streams not ended within {timeout_s:g} s;")
        return {"ended": self._ended, "cpu_s": time.process_time()}

    async def take(self, tokens: bool) -> dict[str, Any]:
        streams = [stream for viewer in self._viewers for stream in viewer.streams.values()]
        for stream in streams:
            if not stream.is_whole:
                self._faults.add("texts that are not whole")
        seen = [_seen(stream, tokens) for stream in streams]
        faults, self._faults.counts, self._ended = dict(self._faults.counts), {}, 0
        for viewer in self._viewers:
            viewer.streams.clear()
        return {"faults": faults, "streams": seen}

    async def close(self) -> dict[str, Any]:
        for viewer in self._viewers:
            viewer.close()
        self._viewers = []
        return {}

    def _on_end(self) -> None:
        self._ended += 1
        self._changed.set()

    async def _ack_forever(self) -> None:
        while True:
            await asyncio.sleep(ACK_PERIOD_S)
            due = time.time_ns() - ACK_NS
            for viewer in self._viewers:
                if viewer.unacked_since and viewer.unacked_since < due:
                    viewer.ack()


def _seen(stream: Followed, tokens: bool) -> dict[str, Any]:
    end = stream.end or {}
    return {
        "generation": stream.generation,
        "status": str(end.get("type", "")).removeprefix("stream."),
        "question": stream.question,
        "asked_ns": stream.asked_ns,
        "first_ns": stream.first_ns,
        "last_ns": stream.times[-1] if stream.times else 0,
        "ended_ns": stream.ended_ns,
        "events": stream.events,
        "characters": sum(map(len, stream.texts)),
        "tokens": stream.tokens() if tokens else [],
    }


def _give_up(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A callback failed: whatever would be measured now is wrong."""
    loop.default_exception_handler(context)
    sys.stderr.flush()
    os._exit(1)


async def serve() -> None:
    asyncio.get_running_loop().set_exception_handler(_give_up)
    load = Load()
    reader = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        try:
            answer = await getattr(load, command.pop("do"))(**command)
        except (OSError, ConnectionError) as error:
            answer = {"failed": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
