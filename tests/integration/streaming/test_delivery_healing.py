"""What delivery survives: lost messages, lost ends, a lost log, slow viewers, and Redis or the database away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.db import OperationalError

from streaming import database, feed_reading, redis_client
from streaming.errors import Refused
from streaming.models import Generation
from tests.integration.streaming.delivery import Author, Client, author
from tests.integration.streaming.test_hub import delay_subscribe
from tests.valkey import Valkey

__all__ = ["author"]
pytestmark = pytest.mark.django_db(transaction=True)


async def test_lost_messages_of_the_layer_are_healed_when_the_next_one_comes(author: Author) -> None:
    clients = [Client() for _ in range(3)]
    await author.begin()
    for client in clients:
        await client.watch(author)
    await author.say("one ")
    await author.say("lost ", publish=False)
    await author.say("lost too ", publish=False)
    await author.say("four")
    for client in clients:
        await client.until_text(author.text)
    await author.end()
    for client in clients:
        await client.until_end()
        await client.leave()


@pytest.fixture
def quick_heartbeats(settings: Any) -> None:
    settings.STREAMING = {**settings.STREAMING, "heartbeat_live_s": 0.1}


async def test_a_lost_last_message_is_healed_by_the_heartbeat(quick_heartbeats: None, author: Author) -> None:
    client = Client()
    await author.begin()
    await client.watch(author)
    await author.say("seen, ")
    await author.say("lost", publish=False)
    await client.until_text("seen, lost")
    await author.end(publish=False)
    await client.until_end()
    await client.leave()


async def test_a_death_between_row_and_event_hangs_nobody(quick_heartbeats: None, author: Author) -> None:
    await author.begin()
    clients = [Client(), Client()]
    for client in clients:
        await client.watch(author)
    await author.say("the whole text")
    for client in clients:
        await client.until_text(author.text)
    await author.end_row()
    late = Client()
    await late.watch(author)
    for client in (*clients, late):
        await client.until_end()
        await client.leave()


async def test_a_death_after_the_row_ends_those_who_miss_text_too(quick_heartbeats: None, author: Author) -> None:
    await author.begin()
    client = Client()
    await client.watch(author)
    await author.say("seen, ")
    await client.until_text("seen, ")
    await author.lose_the_log()
    author.text += "never seen"
    author.seq += 1
    await author.end_row()
    await client.until_end()
    assert client.shown.text == "seen, never seen"
    await client.leave()


async def test_a_deleted_row_ends_its_subscriptions(quick_heartbeats: None, author: Author) -> None:
    client = Client()
    await client.watch(author)
    await database.call(Generation.objects.all().delete)
    async with asyncio.timeout(60):
        await client.subscriptions.one_ended.wait()
    assert len(client.subscriptions) == 0
    await client.leave()


async def test_a_lost_log_is_announced_and_replaced(author: Author) -> None:
    """FLUSHALL while viewers watch; the worker goes on under a new epoch."""
    clients = [Client(), Client()]
    await author.begin()
    for client in clients:
        await client.watch(author)
    await author.say("before ")
    for client in clients:
        await client.until_text("before ")
    shown = await clients[1].leave()
    await redis_client.get().flushall()
    away = Client(shown=shown)
    await away.rewatch(author)
    assert away.opened == (shown.epoch, False, "admitted"), "not proven, but nothing better is known yet"
    await author.reseed()
    await author.say("after")
    for client in (clients[0], away):
        await client.until_text("before after")
        assert client.shown.epoch == author.epoch
        assert client.shown.recovered[-1] is False
    await author.end()
    for client in (clients[0], away):
        await client.until_end()
        await client.leave()


async def test_a_slow_viewer_is_served_from_the_log_and_holds_up_nobody(author: Author) -> None:
    quick, slow = Client(), Client(acks=False)
    await author.begin()
    for client in (quick, slow):
        await client.watch(author)
    for number in range(160):
        await author.say(f"{number} " + "x" * 8000)
    await quick.until_text(author.text)
    assert len(slow.shown.text) < len(author.text) / 2
    assert slow.subscriptions.live() == []
    assert quick.subscriptions.live()[0]["position"] == str(author.last)
    slow.acks = True
    slow.connection.ack(slow.received_n)
    await slow.until_text(author.text)
    await author.end()
    for client in (quick, slow):
        await client.until_end()
        await client.leave()
    assert slow.shown.applied.count("stream.delta") < quick.shown.applied.count("stream.delta")


@pytest.fixture
async def redis_down(valkey: Valkey, author: Author, settings: Any) -> AsyncIterator[Valkey]:
    """The test stops Redis; it is back afterwards, whatever happened."""
    settings.STREAMING = {**settings.STREAMING, "group_proof_timeout_s": 0.2}
    yield valkey
    if valkey.process is None:
        await asyncio.to_thread(valkey.start)


async def test_without_redis_a_new_viewer_gets_the_checkpoint_and_later_the_rest(
    author: Author, redis_down: Valkey
) -> None:
    await author.begin()
    await author.say("checkpoint, ")
    await author.checkpoint()
    await asyncio.to_thread(redis_down.kill)
    client = Client()
    await client.watch(author)
    assert client.opened == (None, False, "streaming")
    await client.until_text("checkpoint, ")
    await asyncio.to_thread(redis_down.start)
    await author.reseed()
    await author.say("rest")
    await client.until_text("checkpoint, rest")
    await author.end()
    await client.until_end()
    assert client.shown.recovered == [False, False, False]
    await client.leave()


async def test_without_redis_nobody_loses_what_he_has_shown(author: Author, redis_down: Valkey) -> None:
    """The row is older than what the viewer has: a snapshot would take text away from him."""
    await author.begin()
    await author.say("in the row, ")
    await author.checkpoint()
    client = Client()
    await client.watch(author)
    await author.say("only shown, ")
    await client.until_text(author.text)
    shown = await client.leave()
    shown.applied.clear()
    await asyncio.to_thread(redis_down.kill)
    back = Client(shown=shown)
    await back.rewatch(author)
    assert back.opened == (author.epoch, False, "streaming")
    assert shown.applied == []
    await asyncio.to_thread(redis_down.start)
    await author.reseed()
    await author.say("later")
    await back.until_text(author.text)
    await back.leave()


async def test_without_redis_a_stream_that_ends_in_the_row_ends_for_all(
    quick_heartbeats: None, author: Author, redis_down: Valkey
) -> None:
    await author.begin()
    client = Client()
    await client.watch(author)
    await author.say("seen, ")
    await client.until_text("seen, ")
    await asyncio.to_thread(redis_down.kill)
    author.text += "not seen"
    author.seq += 1
    await author.end_row()
    late = Client()
    await late.watch(author)
    for one in (client, late):
        await one.until_end()
        assert one.shown.text == "seen, not seen"
        await one.leave()


async def test_while_redis_is_away_memory_serves_those_who_come_back(author: Author, redis_down: Valkey) -> None:
    await author.begin()
    stays, leaves = Client(), Client()
    for client in (stays, leaves):
        await client.watch(author)
    await author.say("one ")
    await leaves.until_text("one ")
    shown = await leaves.leave()
    await author.say("two ")
    await stays.until_text("one two ")
    await asyncio.to_thread(redis_down.kill)
    back = Client(shown=shown)
    await back.rewatch(author)
    assert back.opened == (author.epoch, True, "admitted")
    await back.until_text("one two ")
    for client in (stays, back):
        await client.leave()


async def test_a_paused_redis_delays_but_loses_nothing(author: Author, valkey: Valkey) -> None:
    await author.begin()
    client = Client()
    await client.watch(author)
    await author.say("before ")
    await client.until_text("before ")
    assert valkey.process is not None
    valkey.process.send_signal(19)  # SIGSTOP
    try:
        late = Client()
        await late.watch(author)
        assert late.opened is not None
    finally:
        valkey.process.send_signal(18)  # SIGCONT
    await author.say("after")
    await author.end()
    for one in (client, late):
        await one.until_end()
        await one.leave()


async def test_a_database_that_is_away_refuses_new_viewers_and_keeps_the_others(
    author: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    await author.begin()
    client = Client()
    await client.watch(author)
    original = feed_reading.load_row
    away = True

    def load_row(generation: str, with_text: bool) -> Any:
        if away:
            raise OperationalError("the database is away")
        return original(generation, with_text)

    monkeypatch.setattr(feed_reading, "load_row", load_row)
    await author.say("lost ", publish=False)
    await author.say("seen")
    refused = Client()
    with pytest.raises(Refused) as refusal:
        await refused.watch(author)
    assert (refusal.value.code, refusal.value.retryable) == ("unavailable", True)
    away = False
    await client.until_text("lost seen")
    await client.leave()
    await refused.leave()


async def test_without_live_events_a_viewer_lives_on_reads(
    author: Author, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """SUBSCRIBE never gets through; row and log do."""
    settings.STREAMING = {**settings.STREAMING, "group_proof_timeout_s": 0.05}
    delay_subscribe(monkeypatch, 3600, "stream.")
    await author.begin()
    client = Client()
    await client.watch(author)
    await author.say("still ")
    await author.say("here")
    await client.until_text("still here")
    await author.end()
    await client.until_end()
    await client.leave()
