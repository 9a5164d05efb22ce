from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from streaming import redis_client, request_rates
from streaming.request_rates import Rate, take
from tests.valkey import Valkey

#: Nothing comes back within a test.
SLOW = Rate(burst=3, period_s=3600.0)


@pytest.fixture(autouse=True)
async def client(valkey: Valkey) -> AsyncIterator[None]:
    yield
    await redis_client.aclose()


async def test_so_many_at_once_and_no_more() -> None:
    taken = [await take("ann", SLOW) for _ in range(4)]
    assert [one.allowed for one in taken] == [True, True, True, False]
    assert [one.left for one in taken] == [2, 1, 0, 0]
    assert 1190 < taken[3].wait_s <= 1200
    assert 3590 < taken[3].reset_s <= 3600


async def test_of_many_at_the_same_time_only_so_many() -> None:
    taken = await asyncio.gather(*(take("ann", SLOW) for _ in range(20)))
    assert sum(one.allowed for one in taken) == 3


async def test_everybody_has_a_rate_of_their_own() -> None:
    for _ in range(4):
        await take("ann", SLOW)
    assert (await take("bob", SLOW)).allowed


async def test_what_was_taken_is_paid_back_in_time() -> None:
    quick = Rate(burst=1, period_s=0.05)
    assert (await take("ann", quick)).allowed
    await asyncio.sleep(0.06)
    assert (await take("ann", quick)).allowed


async def test_nothing_is_kept_longer_than_it_counts() -> None:
    await take("ann", SLOW)
    (key,) = await redis_client.get().keys("rate:*")
    assert 0 < await redis_client.get().pttl(key) <= 1_202_000


async def test_without_redis_nobody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise RedisConnectionError

    monkeypatch.setattr(request_rates.script("rate").__class__, "call", fail)
    assert (await take("ann", SLOW)).allowed
