"""Publishes streams as a worker does, with the product's writer and script but at a pace of its own (see `inside`).

So a fan-out benchmark has the web process's time apart from any provider's.

    begin   {people, conversations}   a question of each person, its answer claimed and begun → generations
    paced   {events, rate}            so many events per stream, the streams' turns spread over the period
    burst   {events}                  as fast as the server takes them
    end     {}                        the rows, then the terminal events
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

import uvloop
from django.contrib.auth import get_user_model

from chat import services
from streaming import database, keys, lifecycle, redis_client
from streaming.coalescer import Coalescer
from streaming.filters import Chain, CleanText
from streaming.lifecycle import Claim, Outcome
from streaming.replay_log import ReplayLog, script
from streaming.states import Status
from streaming.writer import StreamWriter

WORKER = "bench"
SLICES = 10
BURST_BATCH = 20
TEXT = " and here is event number {:>6},"


class Appender:
    def __init__(self) -> None:
        self._client = redis_client.make(connections=2, timeout_s=30)
        self._writers: list[StreamWriter] = []
        self._numbers: dict[StreamWriter, int] = {}
        self._sha = ""

    async def begin(self, people: list[int], conversations: list[str]) -> dict[str, Any]:
        self._sha = await self._client.script_load(script("append")[0])
        await self._client.set(keys.worker_lease(WORKER), 1, px=600_000)  # nobody shall take them for a dead worker's
        claims = await database.call(_claims, people, conversations)
        self._writers = [_writer(claim) for claim in claims]
        log = ReplayLog(self._client)
        for writer in self._writers:
            begun = await log.begin(writer.generation_id, writer.attempt, writer.token, epoch=uuid.uuid4().hex[:12])
            writer.epoch = begun.epoch
        await self._append(self._writers)
        self._numbers = dict.fromkeys(self._writers, 0)
        return {"generations": [writer.generation_id for writer in self._writers]}

    async def paced(self, events: int, rate: float) -> dict[str, Any]:
        slices = [self._writers[n::SLICES] for n in range(min(SLICES, len(self._writers)))]
        start, turn_s = time.monotonic(), 1 / rate / len(slices)
        for turn in range(events * len(slices)):
            await asyncio.sleep(max(0.0, start + turn * turn_s - time.monotonic()))
            await self._text(slices[turn % len(slices)])
        return {"seconds": time.monotonic() - start}

    async def burst(self, events: int) -> dict[str, Any]:
        start = time.monotonic()
        for _ in range(events):
            await self._text(self._writers)
        return {"seconds": time.monotonic() - start}

    async def end(self) -> dict[str, Any]:
        for writer in self._writers:
            outcome = Outcome(Status.COMPLETED, writer.text, writer.position.__class__(writer.attempt, writer.seq + 1))
            end = await database.call(lifecycle.finish, writer.generation_id, writer.attempt, outcome)
            if end is None:
                raise RuntimeError(f"the row of {writer.generation_id} was taken away")
            writer.control("x", partial(_same, end.event))
        await self._append(self._writers)
        return {}

    async def _text(self, writers: Sequence[StreamWriter]) -> None:
        for writer in writers:
            writer.feed(TEXT.format(self._numbers[writer]))
            self._numbers[writer] += 1
        await self._append(writers)

    async def _append(self, writers: Sequence[StreamWriter]) -> None:
        pipe = self._client.pipeline(transaction=False)
        for writer in writers:
            frozen = writer.freeze(time.monotonic())
            assert frozen is not None
            pipe.evalsha(
                self._sha, 2, *writer.keys, writer.attempt, writer.token,
                frozen.seq, frozen.kind, frozen.frame, writer.channel, frozen.message, 1_800_000,
            )  # fmt: skip
        for writer, reply in zip(writers, await pipe.execute(), strict=True):
            if reply != b"OK":
                raise RuntimeError(f"the log answered {reply!r}")
            writer.confirm()


def _same(event: Any, position: object) -> Any:
    return event


def _claims(people: list[int], conversations: list[str]) -> list[Claim]:
    claims = []
    for user in get_user_model().objects.filter(pk__in=people).order_by("pk"):
        conversation = uuid.UUID(conversations[people.index(user.pk)])
        sent = services.send_message(user, conversation, client_message_id=uuid.uuid4().hex, text="bench")
        claim = lifecycle.claim(str(sent.generation), WORKER)
        assert claim is not None
        claims.append((people.index(user.pk), claim))
    return [claim for _, claim in sorted(claims, key=lambda pair: pair[0])]


def _writer(claim: Claim) -> StreamWriter:
    return StreamWriter(
        claim.generation_id,
        claim.attempt,
        token=uuid.uuid4().hex[:16],
        model=claim.model,
        filters=Chain([CleanText()]),
        coalescer=Coalescer(window_s=0.0, chunk_max_chars=4096),
        text_max_bytes=1 << 24,
        mark=lambda writer: None,
    )


async def _serve() -> None:
    appender = Appender()
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        try:
            answer = await getattr(appender, command.pop("do"))(**command)
        except (RuntimeError, OSError) as error:
            answer = {"failed": str(error)}
        print(json.dumps(answer), flush=True)


def serve() -> None:
    uvloop.run(_serve())
