"""What tests of delivery stand on: a writer of streams without a worker, and a client that applies the wire's rules."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from streaming import database, fanout, feed_reading, keys, lifecycle, redis_client
from streaming.connection import Connection
from streaming.events import START, Delta, DurableEvent, Position, Started, encode
from streaming.models import Generation
from streaming.replay_log import ReplayLog, script
from streaming.states import Status
from streaming.subscription import SubscriptionOpened, Subscriptions
from tests.valkey import Valkey


class Author:
    """Writes one stream as a worker does: row and log through their own modules and scripts."""

    def __init__(self, generation: str) -> None:
        self.generation = generation
        self.attempt = 0
        self.seq = 0
        self.last = START
        self.text = ""
        self.token = ""
        self.epoch = ""

    @classmethod
    async def create(cls) -> Author:
        return cls(await database.call(_create_row))

    async def begin(self) -> None:
        """A new attempt and its `stream.started`."""
        self.attempt, self.seq = self.attempt + 1, 0
        await self.set_row(attempt=self.attempt, status=Status.ADMITTED)
        await self._open_log(before=self.last)
        await self.append(
            Started(
                generation=self.generation,
                position=self.next,
                attempt=self.attempt,
                follows=self.last,
                model="demo",
            ),
            "o",
        )

    async def reseed(self) -> None:
        """As after a loss of Redis: the same attempt goes on under a new epoch, its text so far is in the row."""
        await self.checkpoint()
        await self._open_log(before=START)

    async def _open_log(self, before: Position) -> None:
        self.token = uuid.uuid4().hex
        begun = await ReplayLog(redis_client.get()).begin(
            self.generation, self.attempt, self.token, epoch=uuid.uuid4().hex[:8], last_seq=self.seq, before=before
        )
        self.epoch = begun.epoch

    @property
    def next(self) -> Position:
        return Position(self.attempt, self.seq + 1)

    async def say(self, text: str, *, publish: bool = True) -> Position:
        self.text += text
        await self.append(Delta(generation=self.generation, position=self.next, text=text), "d", publish=publish)
        return self.last

    async def append(self, event: DurableEvent, kind: fanout.Kind, *, publish: bool = True) -> None:
        """Log and publish in one step; `publish=False` is a message that the layer lost."""
        frame, group = encode(event), fanout.stream_group(self.generation)
        message = fanout.stream_message(group, event.position, kind, self.epoch, frame)
        channel = fanout.group_channel(group) if publish else "nobody"
        reply = await redis_client.get().eval(
            script("append")[0],
            2,
            keys.stream_meta(self.generation),
            keys.stream_log(self.generation),
            event.position.attempt,
            self.token,
            event.position.seq,
            kind,
            frame,
            channel,
            message,
            600_000,
        )
        assert reply == b"OK", reply
        self.seq, self.last = event.position.seq, event.position

    async def checkpoint(self) -> None:
        await self.set_row(
            text=self.text, position_attempt=self.last.attempt, position_seq=self.last.seq, status=Status.STREAMING
        )

    async def end_row(self, status: Status = Status.COMPLETED) -> None:
        """The row's end, without its event: what a worker leaves that dies in between."""
        raw = self.text.encode()
        await self.set_row(
            status=status,
            text=self.text,
            position_attempt=self.next.attempt,
            position_seq=self.next.seq,
            sha256=hashlib.sha256(raw).hexdigest(),
            text_bytes=len(raw),
            finish_reason="stop",
            finished_at=timezone.now(),
        )

    async def end(self, *, publish: bool = True) -> None:
        await self.end_row()
        row = await database.call(Generation.objects.get, pk=self.generation)
        await self.append(lifecycle.ended_event(row), "x", publish=publish)

    async def set_row(self, **values: Any) -> None:
        await database.call(Generation.objects.filter(pk=self.generation).update, **values)

    async def lose_the_log(self) -> None:
        await redis_client.get().delete(keys.stream_meta(self.generation), keys.stream_log(self.generation))


def _create_row() -> str:
    user, _ = get_user_model().objects.get_or_create(username="ada")
    later = timezone.now() + timedelta(minutes=15)
    return str(Generation.objects.create(user=user, model="demo", wake_at=later, deadline_at=later).pk)


@dataclass
class Shown:
    """One stream as a client has it."""

    text: str = ""
    position: Position | None = None
    epoch: str | None = None
    ended: dict[str, Any] | None = None
    queued: list[dict[str, Any]] = field(default_factory=list)
    #: Frames that brought something, by type; and what a client may never see.
    applied: list[str] = field(default_factory=list)
    recovered: list[bool] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)


class NotedSubscriptions(Subscriptions):
    """They say when one of them has ended."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.one_ended = asyncio.Event()

    def _done(self, generation: str) -> None:
        super()._done(generation)
        self.one_ended.set()


class Client:
    """One socket and the reference rules of the wire: it fails the test on a hole, a repetition or a wrong end."""

    def __init__(self, *, acks: bool = True, shown: Shown | None = None) -> None:
        self.shown = shown or Shown()
        self.acks = acks
        self.received_n = 0
        self.problems: list[str] = []
        self._changed = asyncio.Condition()
        self.connection = Connection(self._receive)
        self.connection.start()
        self.subscriptions = NotedSubscriptions(self.connection)
        self.opened: SubscriptionOpened | None = None

    async def watch(self, author: Author, after: Position | None = None, epoch: str | None = None) -> None:
        await self.subscriptions.open(author.generation, after, epoch, self._on_open)

    async def rewatch(self, author: Author) -> None:
        await self.watch(author, self.shown.position, self.shown.epoch)

    async def leave(self) -> Shown:
        await self.subscriptions.aclose()
        await self.connection.aclose()
        return self.shown

    async def until(self, condition: Callable[[Shown], bool]) -> None:
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: condition(self.shown) or bool(self.problems))
        assert self.problems == []

    async def until_text(self, text: str) -> None:
        await self.until(lambda shown: shown.text == text)

    async def until_end(self) -> None:
        await self.until(lambda shown: shown.ended is not None)

    def _on_open(self, opened: SubscriptionOpened) -> None:
        self.opened = opened
        self.shown.epoch = opened.epoch or self.shown.epoch
        self.shown.recovered.append(opened.recovered)

    async def _receive(self, message: dict[str, Any]) -> None:
        if message["type"] != "websocket.send":
            return
        envelope = json.loads(message["text"])
        self.received_n += 1
        if envelope["n"] != self.received_n:
            self.problems.append(f"envelope {envelope['n']} instead of {self.received_n}")
        for frame in envelope["frames"]:
            self._apply(frame)
        if self.acks:
            asyncio.get_running_loop().call_soon(self.connection.ack, envelope["n"])
        async with self._changed:
            self._changed.notify_all()

    def _apply(self, frame: dict[str, Any]) -> None:
        shown, kind = self.shown, frame["type"]
        if kind == "stream.queued":
            shown.queued.append(frame)
            return
        if self.opened is None:
            self.problems.append(f"{kind} before ok")
        if shown.ended is not None:
            self.problems.append(f"{kind} after the end")
        shown.applied.append(kind)
        position = Position.parse(frame["position"])
        if kind == "stream.snapshot":
            self._apply_part(frame, position)
            return
        follows = (
            Position.parse(frame["follows"]) if "follows" in frame else Position(position.attempt, position.seq - 1)
        )
        if follows != (shown.position or START):
            self.problems.append(f"{kind} {position} follows {follows}, but {shown.position} is shown")
        shown.position = position
        if kind == "stream.delta":
            shown.text += frame["text"]
        elif kind not in ("stream.started", "stream.usage"):
            shown.ended = frame
            raw = shown.text.encode()
            if (frame["bytes"], frame["sha256"]) != (len(raw), hashlib.sha256(raw).hexdigest()):
                self.problems.append("the end does not match the text")

    def _apply_part(self, frame: dict[str, Any], position: Position) -> None:
        shown = self.shown
        shown.parts = [*shown.parts, frame["text"]] if frame["part"] else [frame["text"]]
        if len(shown.parts) != frame["part"] + 1:
            self.problems.append("a part of a snapshot is missing")
        if frame["last"]:
            shown.text, shown.position, shown.epoch = "".join(shown.parts), position, frame["epoch"]
            shown.recovered.append(frame["recovered"])


@pytest.fixture
async def author(valkey: Valkey, transactional_db: None) -> AsyncIterator[Author]:
    yield await Author.create()
    await redis_client.aclose()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Position]:
    """After which position the log was read, once per read."""
    made: list[Position] = []
    original = feed_reading._read_log

    async def noted(generation: str, after: Position, *rest: Any) -> Any:
        made.append(after)
        return await original(generation, after, *rest)

    monkeypatch.setattr(feed_reading, "_read_log", noted)
    return made
