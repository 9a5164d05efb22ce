"""One stream's feed with a row, a log and a hub of our own making."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError

from streaming import conf, feed_reading, hub, shared_read
from streaming.errors import Refused
from streaming.events import START, Completed, Position, encode
from streaming.feed_reading import Reading, Row
from streaming.stream_feed import StreamFeed
from streaming.timeline import Event, LogPart
from streaming.viewer import SubscriptionOpened, Viewer
from tests.unit.streaming.test_catch_up import GENERATION, delta, logged, started


class FakeMembership:
    left = False

    async def proven(self) -> None: ...

    def leave(self) -> None:
        self.left = True


class FakeHub:
    def __init__(self) -> None:
        self.membership = FakeMembership()

    def join(self, group: str, callback: Callable[[hub.Message], None]) -> FakeMembership:
        return self.membership


class FakeConnection:
    """Room for a number of frames; `give_room` makes some and tells those who wait."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.frames: list[dict[str, Any]] = []
        self.waiting: list[Callable[[], None]] = []

    def deliver(self, frame: str, size: int) -> bool:
        if self.room <= 0:
            return False
        self.room -= 1
        self.frames.append(json.loads(frame))
        return True

    def when_room(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def give_room(self, room: int) -> None:
        self.room = room
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()

    @property
    def positions(self) -> list[str]:
        return [frame["position"] for frame in self.frames]


class World:
    """The truth: a row and a log, and who reads them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub = FakeHub()
        self.row = Row("streaming", "demo", START, "", None)
        self.log: list[Event] = []
        self.epoch: str | None = "e1"
        self.reads = 0
        self.error: Exception | None = None
        self.changed = asyncio.Condition()
        monkeypatch.setattr(hub, "get", lambda: self.hub)
        monkeypatch.setattr(feed_reading, "read", self.read)
        self.empty: list[StreamFeed] = []
        self.feed = StreamFeed(GENERATION, self.empty.append)

    async def read(self, generation: str, starts: list[Position], with_text: bool, memory: object) -> Reading:
        self.reads += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        last = self.log[-1].position if self.log else START
        row = self.row if with_text else self.row._replace(text=None)
        return Reading(generation, row, LogPart(self.epoch, last, False, list(self.log)))

    def publish(self, event: Event, *, append: bool = True, arrives: bool = True, epoch: str | None = None) -> None:
        if append:
            self.log.append(event)
        if arrives:
            position = event.position
            self.feed.on_message(
                {
                    "type": "stream.event",
                    "a": position.attempt,
                    "s": position.seq,
                    "k": event.kind,
                    "e": epoch or self.epoch,
                    "f": event.frame,
                }
            )

    async def join(
        self,
        connection: FakeConnection,
        after: Position | None = None,
        on_open: Callable[[SubscriptionOpened], None] = lambda opened: None,
    ) -> Viewer:
        viewer = Viewer(connection, after, after and self.epoch, on_open, lambda: None)  # type: ignore[arg-type]
        self.feed.register(viewer)
        await asyncio.wait_for(asyncio.shield(viewer.opened), 60)
        await settle()
        return viewer


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


async def test_a_viewer_without_room_leaves_the_live_ones_and_comes_back_without_a_read(world: World) -> None:
    quick, slow = FakeConnection(), FakeConnection(room=2)
    for connection in (quick, slow):
        await world.join(connection)
    reads = world.reads
    world.publish(started(1))
    for seq in range(2, 8):
        world.publish(delta(1, seq))
    assert quick.positions == [f"1-{seq}" for seq in range(1, 8)]
    assert slow.positions == ["1-1", "1-2"]
    assert len(world.feed.live) == 1
    slow.give_room(10)
    assert slow.frames[-1]["position"] == "1-7"
    assert slow.frames[-1]["follows"] == "1-2"
    assert len(world.feed.live) == 2
    assert world.reads == reads


async def test_a_viewer_who_was_away_too_long_for_memory_is_read_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.timeline.RECENT_EVENTS", 3)
    slow = FakeConnection(room=1)
    await world.join(slow)
    reads = world.reads
    world.publish(started(1))
    for seq in range(2, 20):
        world.publish(delta(1, seq))
    slow.give_room(10)
    await settle()
    assert [slow.frames[-1][key] for key in ("position", "follows")] == ["1-19", "1-1"]
    assert world.reads == reads + 1


async def test_a_long_backlog_goes_out_as_room_comes_and_ends_live(world: World) -> None:
    world.row = Row("streaming", "demo", Position(1, 1), "x" * 200_000, None)
    world.log = [started(1)]
    connection = FakeConnection(room=2)
    await world.join(connection)
    world.publish(delta(1, 2))
    for _ in range(10):
        connection.give_room(1)
    parts = [frame["part"] for frame in connection.frames if frame["type"] == "stream.snapshot"]
    assert parts == list(range(200_000 // conf.get().snapshot_part_bytes + 1))
    assert connection.frames[-1]["position"] == "1-2"
    assert len(world.feed.live) == 1


async def test_one_read_heals_a_hole_for_everybody(world: World) -> None:
    connections = [FakeConnection() for _ in range(50)]
    for connection in connections:
        await world.join(connection)
    reads = world.reads
    world.publish(started(1))
    world.publish(delta(1, 2), arrives=False)
    world.publish(delta(1, 3), arrives=False)
    world.publish(delta(1, 4))
    world.publish(delta(1, 5))
    await settle()
    assert world.reads == reads + 1
    for connection in connections:
        assert connection.positions == ["1-1", "1-2", "1-3", "1-4", "1-5"]


async def test_a_stray_message_of_an_old_epoch_costs_one_read_and_changes_nothing(world: World) -> None:
    connection = FakeConnection()
    await world.join(connection)
    world.publish(started(1))
    reads = world.reads
    world.publish(delta(1, 2), append=False, epoch="e0")
    await settle()
    assert world.reads == reads + 1
    world.publish(delta(1, 2))
    assert connection.positions == ["1-1", "1-2"]


async def test_doubled_messages_are_dropped(world: World) -> None:
    connection = FakeConnection()
    await world.join(connection)
    for event in (started(1), delta(1, 2)):
        world.publish(event)
        world.publish(event, append=False)
    assert connection.positions == ["1-1", "1-2"]


async def test_an_ephemeral_frame_is_for_those_who_have_room(world: World) -> None:
    roomy, full = FakeConnection(), FakeConnection(room=0)
    for connection in (roomy, full):
        await world.join(connection)
    world.feed.on_message({"type": "stream.frame", "f": '{"type":"stream.queued","position":null}'})
    assert len(roomy.frames) == 1
    assert full.frames == []
    assert len(world.feed.live) == 2


async def test_the_end_ends_every_subscription_and_the_feed(world: World) -> None:
    connection = FakeConnection()
    await world.join(connection)
    world.publish(started(1))
    end = Completed(generation=GENERATION, position=Position(1, 2), bytes=0, sha256="")
    world.publish(logged("x", end))
    assert connection.frames[-1] == json.loads(encode(end))
    assert world.empty == [world.feed]
    assert world.hub.membership.left


async def test_an_owner_that_fails_to_open_harms_no_other(world: World) -> None:
    def broken(opened: SubscriptionOpened) -> None:
        raise RuntimeError("a defect")

    healthy = FakeConnection()
    failing = asyncio.create_task(world.join(FakeConnection(), on_open=broken))
    await world.join(healthy)
    with pytest.raises(RuntimeError):
        await failing
    world.publish(started(1))
    assert healthy.positions == ["1-1"]
    assert len(world.feed.live) == 1


async def test_a_defect_while_serving_strands_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_read, "RETRY_S", 0.001)
    connections = [FakeConnection() for _ in range(3)]
    for connection in connections:
        await world.join(connection)
    world.publish(started(1))
    original, failures = Reading.plan, 1

    def plan(self: Reading, viewer: Viewer) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise RuntimeError("a defect")
        return original(self, viewer)

    monkeypatch.setattr(Reading, "plan", plan)
    world.epoch = "e2"
    world.row = Row("streaming", "demo", Position(1, 1), "text", None)
    world.publish(delta(1, 2))
    async with asyncio.timeout(60):
        while not all(connection.positions[-1] == "1-2" for connection in connections):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert len(world.feed.live) == 3


async def test_a_database_that_is_away_refuses_only_those_who_are_not_open_yet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_read, "RETRY_S", 0.001)
    stays = FakeConnection()
    await world.join(stays)
    world.error = OperationalError("away")
    with pytest.raises(Refused) as refusal:
        await world.join(FakeConnection())
    assert refusal.value.retryable
    world.publish(started(1), arrives=False)
    world.publish(delta(1, 2))
    await settle()
    world.error = None
    async with asyncio.timeout(60):
        while stays.positions != ["1-1", "1-2"]:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
