"""The watch over the workers' leases is kept in Redis: what continues it, and what must break it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from streaming import feed_watch, keys, witness
from streaming.cancellation import cancel
from tests.engine import close_clients

LASTED_MS = 60_000


@pytest.fixture
async def watched(direct: Redis) -> Redis:
    """Processes that are gone by now looked for a minute, until just now."""
    await witness.look(direct)
    await direct.hincrby(keys.WORKER_WATCH, "since", -LASTED_MS)
    await direct.set(keys.worker_lease("alive"), "{}", px=10_000)
    return direct


async def pass_over(client: Redis, seconds: float) -> None:
    """As if nobody had looked for so long."""
    await client.hincrby(keys.WORKER_WATCH, "at", -round(seconds * 1000))


async def test_the_first_look_of_all_calls_nobody_dead(direct: Redis) -> None:
    look = await witness.look(direct, ["gone"])
    assert (look.missing, look.dead()) == (["gone"], [])


async def test_a_new_process_goes_on_with_the_watch_of_those_that_are_gone(watched: Redis) -> None:
    await pass_over(watched, witness.GAP_MAX_S / 2)
    look = await witness.look(watched, ["alive", "gone"])
    assert look.steady_s >= LASTED_MS / 1000
    assert look.dead() == ["gone"]


async def test_looks_go_on_with_the_watch_and_do_not_begin_it_anew(watched: Redis) -> None:
    before = (await witness.look(watched)).steady_s
    await asyncio.sleep(0.05)
    assert (await witness.look(watched)).steady_s > before


async def test_a_web_process_that_delivers_a_stream_takes_part(
    streaming_settings: object, direct: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_watch, "StreamFeed", lambda generation, on_empty: SimpleNamespace(quiet=False))
    feeds = feed_watch.Feeds()
    feeds.feed(str(uuid4()))
    try:
        async with asyncio.timeout(60):
            while not await direct.exists(keys.WORKER_WATCH):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        for task in (feeds._watch, feeds._witness):
            assert task is not None
            await cancel(task)
        await close_clients()


async def test_a_break_ends_the_watch_however_long_it_had_lasted(watched: Redis) -> None:
    await pass_over(watched, witness.GAP_MAX_S + 0.1)
    look = await witness.look(watched, ["gone"])
    assert (look.steady_s, look.dead()) == (0.0, [])
    assert (await witness.look(watched, ["gone"])).dead() == [], "the break was forgotten by the next look"


async def test_it_vanishes_with_redis_memory(watched: Redis) -> None:
    await watched.flushall()
    assert (await witness.look(watched, ["alive"])).dead() == []


async def test_another_server_with_the_same_memory_ends_it(watched: Redis) -> None:
    await watched.hset(keys.WORKER_WATCH, "run", "that of the server before its restart")
    assert (await witness.look(watched, ["gone"])).steady_s == 0.0


async def test_a_clock_that_was_put_back_ends_it(watched: Redis) -> None:
    await pass_over(watched, -30)
    assert (await witness.look(watched, ["gone"])).steady_s == 0.0


async def test_it_costs_no_key_for_longer_than_it_is_worth(watched: Redis) -> None:
    await witness.look(watched)
    assert 0 < await watched.pttl(keys.WORKER_WATCH) <= witness.TTL_S * 1000
