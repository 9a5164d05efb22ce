"""The hub on the real pub/sub layer, with SUBSCRIBE delayed, connections cut and Redis restarted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.layers import get_channel_layer
from redis import RedisError
from redis.asyncio.client import PubSub

from streaming import hub, redis_client
from streaming.hub import Hub, NotProven
from tests.valkey import Valkey


@pytest.fixture
async def process_hub(valkey: Valkey) -> AsyncIterator[Hub]:
    yield hub.get()
    await redis_client.aclose()


class Mailbox:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, message: dict[str, Any]) -> None:
        self.texts.append(message["f"])
        task = asyncio.ensure_future(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition: Callable[[list[str]], bool], timeout_s: float = 10) -> None:
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: condition(self.texts))


async def publish(group: str, text: str) -> None:
    await get_channel_layer().group_send(group, {"type": "stream.frame", "g": group, "f": text})


async def until_subscribers(group: str, count: int) -> None:
    """What the server itself says about who is subscribed."""
    channel = f"asgi__group__{group}"
    async with asyncio.timeout(60):
        while await _subscribers(channel) != count:  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.01)


async def _subscribers(channel: str) -> int:
    try:
        return int(dict(await redis_client.get().pubsub_numsub(channel)).get(channel.encode(), 0))
    except RedisError:  # just restarted
        return -1


def delay_subscribe(monkeypatch: pytest.MonkeyPatch, seconds: float, marker: str) -> asyncio.Event:
    """From now on SUBSCRIBE of groups with `marker` in their name reaches the server late, though the layer believes it
    has been sent. The event is set when it is on its way."""
    original, on_its_way = PubSub.subscribe, asyncio.Event()

    async def late(self: PubSub, *channels: Any, **handlers: Any) -> Any:
        if not any(marker in str(channel) for channel in channels):
            return await original(self, *channels, **handlers)

        async def send() -> None:
            await asyncio.sleep(seconds)
            await original(self, *channels, **handlers)
            on_its_way.set()

        late.tasks.append(asyncio.create_task(send()))  # type: ignore[attr-defined]
        return None

    late.tasks = []  # type: ignore[attr-defined]
    monkeypatch.setattr(PubSub, "subscribe", late)
    return on_its_way


async def test_everybody_in_the_process_shares_one_subscription(process_hub: Hub) -> None:
    boxes = [Mailbox() for _ in range(5)]
    members = [process_hub.join("shared", box) for box in boxes]
    await asyncio.gather(*(member.proven() for member in members))
    await publish("shared", "hello")
    for box in boxes:
        await box.until(lambda texts: texts == ["hello"])
    layer = get_channel_layer()
    assert [len(channels) for channels in layer.groups.values()] == [1]


async def test_proven_means_the_server_has_processed_subscribe(
    process_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_its_way = delay_subscribe(monkeypatch, 0.3, "delayed")
    box = Mailbox()
    member = process_hub.join("delayed", box)
    await member.proven()
    assert on_its_way.is_set()
    await publish("delayed", "first")
    await box.until(lambda texts: texts == ["first"])


async def test_a_second_joiner_waits_for_the_first_ones_proof(
    process_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_its_way = delay_subscribe(monkeypatch, 0.3, "delayed")
    first = process_hub.join("delayed", Mailbox())
    proof = asyncio.create_task(first.proven())
    await asyncio.sleep(0)
    second = process_hub.join("delayed", Mailbox())
    await second.proven()
    assert on_its_way.is_set()
    await proof


async def test_without_proof_in_time_it_says_so_and_goes_on_trying(
    process_hub: Hub, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.STREAMING = {**settings.STREAMING, "group_proof_timeout_s": 0.1}
    delay_subscribe(monkeypatch, 0.4, "delayed")
    box = Mailbox()
    member = process_hub.join("delayed", box)
    with pytest.raises(NotProven):
        await member.proven()
    settings.STREAMING = {**settings.STREAMING, "group_proof_timeout_s": 10}
    await member.proven()
    await publish("delayed", "heard")
    await box.until(lambda texts: texts == ["heard"])


async def test_a_subscribe_that_the_layer_only_believes_in_is_sent_again(
    process_hub: Hub, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.STREAMING = {**settings.STREAMING, "group_proof_timeout_s": 0.1}
    await process_hub.subscribe("warm up")
    layer = get_channel_layer()
    layer._get_shard("believed")._subscribed_to.add("asgi__group__believed")
    member = process_hub.join("believed", Mailbox())
    with pytest.raises(NotProven):
        await member.proven()
    settings.STREAMING = {**settings.STREAMING, "group_proof_timeout_s": 10}
    await member.proven()


async def test_a_group_lingers_after_its_last_member_and_is_then_left(process_hub: Hub, settings: Any) -> None:
    settings.STREAMING = {**settings.STREAMING, "group_linger_s": 1.0}
    member = process_hub.join("lingering", Mailbox())
    await member.proven()
    member.leave()
    member.leave()
    await until_subscribers("lingering", 1)
    again = process_hub.join("lingering", Mailbox())
    async with asyncio.timeout(0.01):
        await again.proven()
    again.leave()
    await until_subscribers("lingering", 0)
    assert "lingering" not in process_hub._groups


async def test_joins_and_leaves_that_cross_end_subscribed_if_somebody_is_left(process_hub: Hub, settings: Any) -> None:
    settings.STREAMING = {**settings.STREAMING, "group_linger_s": 0}
    for _ in range(30):
        for turns in range(4):
            leaver = process_hub.join("crossing", Mailbox())
            await leaver.proven()
            leaver.leave()
            for _ in range(turns):
                await asyncio.sleep(0)
            box = Mailbox()
            member = process_hub.join("crossing", box)
            await member.proven()
            await publish("crossing", "heard")
            await box.until(lambda texts: texts == ["heard"])
            member.leave()
    await until_subscribers("crossing", 0)


async def test_a_member_that_fails_harms_no_other(process_hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    def broken(message: dict[str, Any]) -> None:
        raise RuntimeError("a defect")

    box = Mailbox()
    process_hub.join("group", broken)
    member = process_hub.join("group", box)
    await member.proven()
    await publish("group", "one")
    await publish("group", "two")
    await box.until(lambda texts: texts == ["one", "two"])
    assert "a member of group group failed" in caplog.text


async def test_a_message_that_does_not_decode_does_not_stop_the_pump(
    process_hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    box = Mailbox()
    member = process_hub.join("group", box)
    await member.proven()
    await redis_client.get().publish("asgi__group__group", b"\xc1 not msgpack")
    await publish("group", "still here")
    await box.until(lambda texts: texts == ["still here"])
    assert caplog.text.count("the hub could not receive") == 1


async def test_a_failing_layer_is_logged_once_and_tried_again(
    process_hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hub, "RETRY_S", 0.001)
    layer, failures = get_channel_layer(), 5

    async def receive(channel: str) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise ConnectionError("away")
        return await layer.receive(channel)

    class Flaky:
        def __getattr__(self, name: str) -> Any:
            return receive if name == "receive" else getattr(layer, name)

    process_hub._layer = Flaky()
    box = Mailbox()
    member = process_hub.join("group", box)
    await member.proven()
    await publish("group", "here")
    await box.until(lambda texts: texts == ["here"])
    assert failures == 0
    assert caplog.text.count("the hub could not receive") == 1


async def test_a_cut_connection_is_subscribed_again(process_hub: Hub) -> None:
    box = Mailbox()
    member = process_hub.join("cut", box)
    await member.proven()
    await redis_client.get().client_kill_filter(_type="pubsub")
    await until_subscribers("cut", 1)
    await publish("cut", "back")
    await box.until(lambda texts: texts == ["back"])


async def test_groups_survive_a_restart_of_redis(valkey: Valkey, process_hub: Hub) -> None:
    box = Mailbox()
    member = process_hub.join("restart", box)
    await member.proven()
    await asyncio.to_thread(valkey.restart)
    await until_subscribers("restart", 1)
    await publish("restart", "back")
    await box.until(lambda texts: texts == ["back"])
    await member.proven()


async def test_a_group_joined_while_redis_is_away_is_proven_when_it_is_back(valkey: Valkey, process_hub: Hub) -> None:
    await process_hub.join("earlier", Mailbox()).proven()
    await asyncio.to_thread(valkey.kill)
    box = Mailbox()
    member = process_hub.join("away", box)
    try:
        with pytest.raises(NotProven):
            await member.proven()
    finally:
        await asyncio.to_thread(valkey.start)
    async with asyncio.timeout(60):
        while True:
            try:
                await member.proven()
                break
            except NotProven:
                continue
    await publish("away", "back")
    await box.until(lambda texts: texts == ["back"])
