from __future__ import annotations

import asyncio
from typing import Any

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer

from streaming import conf, fanout, redis_client
from streaming.events import Delta, Position, decode
from tests.engine import Engine
from tests.valkey import Valkey


@pytest.mark.parametrize("options", [{}, {"prefix": "other"}])
async def test_a_groups_channel_is_the_one_that_the_layer_uses(monkeypatch: pytest.MonkeyPatch, options: Any) -> None:
    layer = RedisPubSubChannelLayer(hosts=["redis://127.0.0.1:1"], **options)
    monkeypatch.setattr(fanout, "layer", lambda: layer)
    group = fanout.stream_group("0b6f3a52-8f0e-4d2c-9a55-2f6d0a6b7c11")
    assert fanout.group_channel(group) == layer._get_layer()._get_group_channel_name(group)


class Listener:
    """A channel in a group of the real layer. `receive` is never cancelled: that would delete the channel."""

    def __init__(self, channel: str) -> None:
        self._channel = channel

    @classmethod
    async def open(cls, group: str) -> Listener:
        channel = await fanout.layer().new_channel()
        await fanout.layer().group_add(group, channel)
        listener = cls(channel)
        # SUBSCRIBE is under way when group_add returns: what we publish until it arrived is lost.
        task = asyncio.create_task(listener.receive())
        while not task.done():
            await fanout.layer().group_send(group, {"type": "marker"})
            await asyncio.wait({task}, timeout=0.05)
        return listener

    async def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = await fanout.layer().receive(self._channel)
        return message

    async def next(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while (message := await self.receive())["type"] != kind:
                pass
            return message


async def test_what_the_append_script_publishes_arrives_through_the_layer(engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.publisher.drained(writer)
    listener = await Listener.open(writer.group)
    await engine.say(writer, "Hello 👩‍👩‍👧\n")
    message = await listener.next("stream.event")
    assert decode(message.pop("f")) == Delta(
        generation=writer.generation_id, position=Position(1, 2), text="Hello 👩‍👩‍👧\n"
    )
    assert message == {"type": "stream.event", "g": writer.group, "a": 1, "s": 2, "k": "d", "e": writer.epoch}


async def test_frames_and_terminal_events_beside_the_log_arrive_too(engine: Engine) -> None:
    listener = await Listener.open("room")
    assert await fanout.broadcast("room", '{"type":"typing"}')
    assert await listener.next("stream.frame") == {"type": "stream.frame", "g": "room", "f": '{"type":"typing"}'}
    assert await fanout.announce("room", Position(2, 5), "the end")
    assert await listener.next("stream.event") == {
        "type": "stream.event", "g": "room", "a": 2, "s": 5, "k": "x", "e": "", "f": "the end",
    }  # fmt: skip


async def test_a_layer_that_is_away_or_hangs_raises_nothing(
    engine: Engine, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "BROADCAST_TIMEOUT_S", 0.2)
    assert await fanout.broadcast("room", "before")
    valkey.pause()
    try:
        assert not await fanout.broadcast("room", "hangs")
    finally:
        valkey.resume()
    valkey.kill()
    try:
        assert not await fanout.broadcast("room", "away")
        assert not await fanout.announce("room", Position(1, 1), "away")
    finally:
        valkey.start()


async def test_the_shared_client_belongs_to_its_loop(valkey: Valkey, streaming_settings: dict[str, Any]) -> None:
    client = redis_client.get()
    assert redis_client.get() is client
    assert await client.ping()

    async def other() -> Any:
        try:
            return redis_client.get()
        finally:
            await redis_client.aclose()

    assert await asyncio.to_thread(lambda: asyncio.run(other())) is not client
    await redis_client.aclose()
    assert redis_client.get() is not client
    await redis_client.aclose()


def test_a_changed_setting_is_seen_at_once(settings: Any) -> None:
    before = conf.get()
    settings.STREAMING = {"window_s": 0.5}
    assert conf.get().window_s == 0.5
    settings.STREAMING = {"window_s": 0.25}
    assert conf.get().window_s == 0.25
    settings.STREAMING = {"no_such_setting": 1}
    with pytest.raises(TypeError, match="no_such_setting"):
        conf.get()
    settings.STREAMING = {}
    assert conf.get().window_s == before.window_s
