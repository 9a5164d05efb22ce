"""Events published in each window of a subscribe, reads that may and may not be shared, and SUBSCRIBE that is late."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streaming import fanout, feed_reading, hub
from streaming.events import Position
from streaming.stream_feed import StreamFeed
from tests.integration.streaming.delivery import Author, Client, author, reads
from tests.integration.streaming.test_hub import delay_subscribe

__all__ = ["author", "reads"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def no_heartbeats(settings: Any) -> None:
    """Nothing is healed by looking again later."""
    settings.STREAMING = {**settings.STREAMING, "heartbeat_live_s": 3600.0}


class Pause:
    """A named await point of a subscribe, held until released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, *, after: bool) -> None:
        self.reached, self.release = asyncio.Event(), asyncio.Event()
        original = getattr(owner, name)

        async def held(*args: object, **kwargs: object) -> object:
            result = await original(*args, **kwargs) if after else None
            self.reached.set()
            await self.release.wait()
            return result if after else await original(*args, **kwargs)

        monkeypatch.setattr(owner, name, held)


async def until_arrived(author: Author) -> None:
    """Everything published so far has come through the layer and was handed over."""
    marker = asyncio.Event()
    group = fanout.stream_group(author.generation)
    member = hub.get().join(group, lambda message: marker.set() if message.get("f") == "{}" else None)
    await fanout.broadcast(group, "{}")
    await asyncio.wait_for(marker.wait(), 60)
    member.leave()


WINDOWS = {
    "registered, not proven": (StreamFeed, "_prove", False),
    "proven, row not read": (feed_reading, "read", False),
    "row read, log not read": (feed_reading, "_read_log", False),
    "log read, not yet delivered": (feed_reading, "_read_log", True),
}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("ends", [False, True])
async def test_an_event_published_in_any_window_of_a_subscribe_arrives_once(
    author: Author, monkeypatch: pytest.MonkeyPatch, no_heartbeats: None, window: str, ends: bool
) -> None:
    await author.begin()
    await author.say("before ")
    await author.checkpoint()
    await author.say("tail ")
    owner, name, after = WINDOWS[window]
    pause = Pause(monkeypatch, owner, name, after=after)
    client = Client()
    opening = asyncio.create_task(client.watch(author))
    await pause.reached.wait()
    await author.say("between ")
    await author.say("both ")
    if ends:
        await author.end()
    if window != "registered, not proven":
        await until_arrived(author)
    pause.release.set()
    await opening
    if not ends:
        await client.until_text(author.text)
        await author.say("after")
        await author.end()
    await client.until_end()
    assert client.shown.text == author.text
    await client.leave()


async def test_two_joiners_share_a_read_only_if_it_starts_after_both_came(
    author: Author, monkeypatch: pytest.MonkeyPatch, reads: list[Position]
) -> None:
    await author.begin()
    await author.say("text")
    pause = Pause(monkeypatch, feed_reading, "read", after=False)
    clients = [Client() for _ in range(6)]
    first = [asyncio.create_task(client.watch(author)) for client in clients[:3]]
    await pause.reached.wait()
    second = [asyncio.create_task(client.watch(author)) for client in clients[3:]]
    await asyncio.sleep(0)
    pause.release.set()
    await asyncio.gather(*first, *second)
    assert len(reads) == 2
    for client in clients:
        await client.until_text("text")
        await client.leave()


async def test_what_came_live_during_a_read_needs_no_second_one(
    author: Author, monkeypatch: pytest.MonkeyPatch, reads: list[Position]
) -> None:
    await author.begin()
    first, second = Client(), Client()
    await first.watch(author)
    await author.say("before ")
    await first.until_text("before ")
    reads.clear()
    pause = Pause(monkeypatch, feed_reading, "_read_log", after=True)
    opening = asyncio.create_task(second.watch(author))
    await pause.reached.wait()
    await author.say("live")
    await first.until_text("before live")
    pause.release.set()
    await opening
    await second.until_text("before live")
    assert len(reads) == 1
    for client in (first, second):
        await client.leave()


async def test_a_late_subscribe_loses_nothing(author: Author, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Without the proof, what is published after the read and before SUBSCRIBE would wait for the next heartbeat."""
    settings.STREAMING = {**settings.STREAMING, "heartbeat_live_s": 3600.0}
    await author.begin()
    await author.say("before ")
    delay_subscribe(monkeypatch, 0.3, "stream.")
    client = Client()
    await client.watch(author)
    await client.until_text("before ")
    await author.say("the last for a long time")
    await client.until_text(author.text)
    await client.leave()
