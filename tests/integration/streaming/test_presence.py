"""Who is in a group, as several processes say it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from streaming import keys, redis_client
from streaming.presence import TTL_S, PresenceStore, Said
from tests.valkey import Valkey


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    yield redis_client.get()
    await redis_client.aclose()


def said(group: str, *here: int, gone: tuple[int, ...] = ()) -> Said:
    return Said(group, frozenset(here), frozenset(gone))


async def test_all_processes_together_know_who_is_here(redis: Redis) -> None:
    one, other = PresenceStore(redis, "one"), PresenceStore(redis, "other")
    assert await one.say([said("a", 1, 2)]) == {"a": {1, 2}}
    assert await other.say([said("a", 2, 3), said("b")]) == {"a": {1, 2, 3}, "b": frozenset()}
    assert await one.say([said("a", 1, gone=(2,))]) == {"a": {1, 2, 3}}  # 2 is still at the other one
    assert await other.say([said("a", gone=(2, 3))]) == {"a": {1}}


async def test_a_process_that_died_is_forgotten(redis: Redis) -> None:
    now = [1_000_000.0]
    dead, alive = (PresenceStore(redis, name, now=lambda: now[0]) for name in ("dead", "alive"))
    await dead.say([said("a", 1)])
    now[0] += TTL_S - 1
    assert await alive.say([said("a", 2)]) == {"a": {1, 2}}
    now[0] += 2
    assert await alive.say([said("a", 2)]) == {"a": {2}}


async def test_nothing_is_kept_for_long_nor_for_nobody(redis: Redis) -> None:
    store = PresenceStore(redis, "one")
    groups = [f"g{number}" for number in range(250)]
    await store.say([said(group, 1) for group in groups])
    assert 0 < await redis.pttl(keys.presence("g249")) <= TTL_S * 1000
    await store.say([said(group, gone=(1,)) for group in groups])
    assert await redis.keys("present:*") == []
