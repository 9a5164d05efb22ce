"""The room of all live workers is what their leases say."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

from streaming import conf, keys, worker_slots


async def test_the_room_of_the_live_workers_is_added_up(streaming_settings: dict[str, Any], direct: Redis) -> None:
    assert await worker_slots.total(direct) is None
    await worker_slots.renew(direct, "one", 20, 60_000)
    await worker_slots.renew(direct, "two", 0, 60_000)  # it shuts down
    assert await worker_slots.total(direct) == 20
    await worker_slots.renew(direct, "two", 5, 60_000)
    assert await worker_slots.total(direct) == 25


async def test_a_worker_whose_lease_ended_is_forgotten_until_it_renews_it(
    streaming_settings: dict[str, Any], direct: Redis
) -> None:
    await worker_slots.renew(direct, "one", 20, 60_000)
    await worker_slots.renew(direct, "two", 30, 60_000)
    await direct.delete(keys.worker_lease("two"))
    assert await worker_slots.total(direct) == 20
    assert await direct.smembers(keys.WORKERS_KNOWN) == {b"one"}
    await worker_slots.renew(direct, "two", 30, 60_000)
    assert await worker_slots.total(direct) == 50


async def test_when_nobody_is_left_that_says_nothing(streaming_settings: dict[str, Any], direct: Redis) -> None:
    await worker_slots.renew(direct, "one", 20, 60_000)
    await direct.delete(keys.worker_lease("one"))
    assert await worker_slots.total(direct) is None


async def test_a_worker_of_another_release_has_the_usual_room(
    streaming_settings: dict[str, Any], direct: Redis
) -> None:
    await direct.sadd(keys.WORKERS_KNOWN, "old", "older")
    await direct.set(keys.worker_lease("old"), '{"fenced": {}}')
    await direct.set(keys.worker_lease("older"), "1")
    assert await worker_slots.total(direct) == 2 * conf.get().worker_streams_max
