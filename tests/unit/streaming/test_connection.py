"""One socket's sending side, with a `send` and a clock of our own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from streaming import conf, connection
from streaming.connection import Connection


class Socket:
    """An ASGI server's `send`: it keeps what it gets; it can be blocked, or broken like a client that left."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False
        self.sent = asyncio.Condition()

    async def send(self, message: dict[str, Any]) -> None:
        await self.open.wait()
        if self.broken:
            raise OSError("client is gone")
        self.messages.append(message)
        async with self.sent:
            self.sent.notify_all()

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        return [json.loads(message["text"]) for message in self.messages if message["type"] == "websocket.send"]

    @property
    def frames(self) -> list[Any]:
        return [frame for envelope in self.envelopes for frame in envelope["frames"]]

    @property
    def close_codes(self) -> list[int]:
        return [message["code"] for message in self.messages if message["type"] == "websocket.close"]

    async def has(self, frames: int) -> None:
        async with asyncio.timeout(60), self.sent:
            await self.sent.wait_for(lambda: len(self.frames) >= frames)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Rig:
    def __init__(self) -> None:
        self.socket = Socket()
        self.clock = Clock()
        self.connection = Connection(self.socket.send, heartbeat=lambda: '"beat"', now=self.clock)
        self.connection.start()

    def tick(self, after_s: float) -> None:
        self.clock.now += after_s
        self.connection.tick(self.clock.now)

    async def closed(self) -> int | None:
        async with asyncio.timeout(60):
            await self.connection.closed.wait()
        return self.connection.close_code


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    await rig.connection.aclose()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def big(number: int) -> str:
    """A frame of 32 KiB."""
    return json.dumps(f"{number:05}" + "x" * 32_761)


async def test_frames_travel_unchanged_in_numbered_envelopes(rig: Rig) -> None:
    assert rig.connection.deliver('{"a":1}')
    assert rig.connection.deliver('{"b":"ü"}')
    await rig.socket.has(2)
    rig.connection.send_frame('{"c":3}')
    await rig.socket.has(3)
    texts = [message["text"] for message in rig.socket.messages]
    assert texts == ['{"n":1,"frames":[{"a":1},{"b":"ü"}]}', '{"n":2,"frames":[{"c":3}]}']


async def test_an_envelope_holds_at_most_64_kib_of_frames(rig: Rig) -> None:
    for number in range(5):
        assert rig.connection.deliver(big(number))
    await rig.socket.has(5)
    assert [len(envelope["frames"]) for envelope in rig.socket.envelopes] == [2, 2, 1]


async def test_it_stops_sending_while_the_window_is_shut_and_goes_on_after_an_acknowledgement(rig: Rig) -> None:
    for number in range(8):
        assert rig.connection.deliver(big(number))
    await turns()
    assert rig.connection.deliver(big(8))
    await turns()
    assert len(rig.socket.frames) == 8, "256 KiB are on their way"
    rig.connection.ack(1)
    await rig.socket.has(9)


async def test_it_refuses_frames_when_the_outbox_is_full_and_says_when_there_is_room(rig: Rig) -> None:
    called: list[int] = []
    delivered = 0
    while rig.connection.deliver(big(delivered)):
        delivered += 1
        await turns()
    rig.connection.when_room(lambda: called.append(1))
    rig.connection.send_frame('"control"')
    await turns()
    assert called == []
    seen = 0
    while not called:
        assert seen < len(rig.socket.envelopes)
        seen = len(rig.socket.envelopes)
        rig.connection.ack(seen)
        await turns()
    assert called == [1]
    assert rig.connection.deliver(big(delivered))


async def test_a_frame_beyond_memory_closes_as_slow(rig: Rig) -> None:
    rig.socket.open.clear()
    for number in range(70):
        rig.connection.send_frame(big(number))
    rig.socket.open.set()
    assert await rig.closed() == connection.CLOSE_SLOW


async def test_a_blocked_send_closes_as_slow_after_its_deadline(rig: Rig) -> None:
    rig.socket.open.clear()
    rig.connection.deliver('"x"')
    await turns()
    rig.tick(conf.get().send_timeout_s - 0.5)
    await turns()
    assert not rig.connection.closed.is_set()
    rig.tick(1)
    rig.socket.open.set()
    assert await rig.closed() == connection.CLOSE_SLOW
    assert rig.socket.close_codes == [4008]


async def test_a_socket_that_takes_not_even_its_close_frame_ends_all_the_same(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT_S", 0.01)
    rig.socket.open.clear()
    rig.connection.deliver('"x"')
    await turns()
    rig.tick(conf.get().send_timeout_s + 1)
    assert await rig.closed() == connection.CLOSE_SLOW
    assert rig.socket.messages == []


async def test_a_client_that_never_acknowledges_is_closed_as_slow(rig: Rig) -> None:
    for number in range(9):
        rig.connection.deliver(big(number))
        await turns()
    rig.tick(conf.get().send_timeout_s + 1)
    assert await rig.closed() == connection.CLOSE_SLOW


async def test_what_is_queued_meanwhile_gives_a_deaf_client_no_new_time(rig: Rig) -> None:
    """A stream that goes on, and its heartbeats, come more often than the deadline is long."""
    for number in range(9):
        rig.connection.deliver(big(number))
        await turns()
    for _ in range(3):
        rig.tick(conf.get().send_timeout_s * 0.4)
        rig.connection.pong()
        rig.connection.deliver('"more"')
        await turns()
    assert await rig.closed() == connection.CLOSE_SLOW


async def test_every_acknowledgement_gives_a_slow_client_new_time(rig: Rig) -> None:
    for number in range(14):
        rig.connection.deliver(big(number))
        await turns()
    for n in range(1, 4):
        rig.tick(conf.get().send_timeout_s - 1)
        rig.connection.ack(n)
        rig.connection.pong()
    await turns()
    assert not rig.connection.closed.is_set()


async def test_an_idle_socket_is_not_slow(rig: Rig) -> None:
    rig.connection.deliver('"x"')
    await rig.socket.has(1)
    rig.tick(11)
    await turns()
    assert not rig.connection.closed.is_set()


async def test_heartbeats_come_more_often_while_a_stream_is_live(rig: Rig) -> None:
    def beats() -> int:
        return rig.socket.frames.count("beat")

    for _ in range(39):
        rig.tick(1)
        rig.connection.pong()
    await turns()
    assert beats() == 1
    rig.connection.live_streams = 1
    for _ in range(11):
        rig.tick(1)
        rig.connection.pong()
    await turns()
    assert beats() == 1 + 3


async def test_without_a_pong_it_closes_with_4408(rig: Rig) -> None:
    rig.connection.live_streams = 1
    for _ in range(34):
        rig.tick(1)
        await turns()
    assert not rig.connection.closed.is_set()
    rig.tick(2)
    assert await rig.closed() == connection.CLOSE_NO_PONG


async def test_a_pong_in_time_keeps_it_open(rig: Rig) -> None:
    for _ in range(100):
        rig.tick(1)
        if rig.clock.now % 25 == 0:
            rig.connection.pong()
        await turns()
    assert not rig.connection.closed.is_set()


async def test_what_is_queued_is_sent_before_the_close_frame(rig: Rig) -> None:
    rig.connection.send_frame('"why"')
    await rig.connection.close(4505)
    assert [message["type"] for message in rig.socket.messages] == ["websocket.send", "websocket.close"]
    assert rig.socket.close_codes == [4505]
    assert not rig.connection.deliver('"late"')


async def test_closing_twice_sends_one_close_frame(rig: Rig) -> None:
    await asyncio.gather(rig.connection.close(4501), rig.connection.close(4503))
    assert rig.socket.close_codes == [4501]


async def test_a_client_that_left_ends_the_writer_quietly(rig: Rig) -> None:
    rig.socket.broken = True
    rig.connection.deliver('"x"')
    assert await rig.closed() is None
    assert not rig.connection.deliver('"y"')
    rig.connection.send_frame('"z"')
    rig.connection.ack(1)
    await rig.connection.close(4501)
    assert rig.socket.messages == []


async def test_no_task_is_left_after_the_end() -> None:
    before = asyncio.all_tasks()
    rig = Rig()
    rig.socket.open.clear()
    rig.connection.deliver('"x"')
    await turns()
    await rig.connection.aclose()
    await rig.connection.aclose()
    left = [task for task in asyncio.all_tasks() - before if task.get_name() != "heartbeat"]
    assert left == []


async def test_acknowledging_an_envelope_that_was_never_sent_is_refused(rig: Rig) -> None:
    with pytest.raises(ValueError, match="never sent"):
        rig.connection.ack(1)


async def test_what_comes_while_a_send_waits_follows_it_in_order(rig: Rig) -> None:
    rig.socket.open.clear()
    rig.connection.deliver('"a"')
    await turns()
    rig.connection.deliver('"b"')
    rig.connection.send_frame('"c"')
    await turns()
    assert rig.socket.messages == []
    rig.socket.open.set()
    await rig.socket.has(3)
    assert rig.socket.envelopes == [{"n": 1, "frames": ["a"]}, {"n": 2, "frames": ["b", "c"]}]
    rig.connection.deliver('"d"')
    await rig.socket.has(4)
    assert rig.socket.frames[3:] == ["d"]


async def test_what_one_turn_brings_is_one_envelope_and_wakes_no_task(rig: Rig) -> None:
    await turns()
    wake = rig.connection._wake
    for name in "abc":
        rig.connection.deliver(f'"{name}"')
    await turns()
    assert rig.socket.envelopes == [{"n": 1, "frames": ["a", "b", "c"]}]
    assert rig.connection._wake is wake is not None


async def test_a_socket_that_ends_with_a_send_under_way_leaves_nothing(rig: Rig) -> None:
    rig.socket.open.clear()
    rig.connection.deliver('"a"')
    await asyncio.sleep(0)
    await rig.connection.aclose()
    assert rig.connection.closed.is_set()
    assert rig.socket.messages == []
