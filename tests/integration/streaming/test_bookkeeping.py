"""The books of the pacer's holder: what processes counted, what it saw of the lanes, and the rollups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from streaming import bookkeeping, database, keys, load, metrics, redis_client, rollups
from streaming.bookkeeping import Bookkeeper
from streaming.load import Peaks, SocketPeak
from streaming.models import LoadRollup, UsageRollup
from streaming.providers.base import Finish, Text, Usage
from tests.engine import Engine, close_clients, until

MINUTE = 1_795_262_400


@pytest.fixture(autouse=True)
def nothing_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics.drain_counts()
    monkeypatch.setattr(load, "peaks", Peaks())
    monkeypatch.setattr(load, "minute_of", lambda at=None: MINUTE)


@pytest.fixture
async def client(streaming_settings: Any) -> AsyncIterator[Redis]:
    yield redis_client.get()
    await close_clients()


async def rows() -> dict[tuple[int, str], LoadRollup]:
    found = await database.call(lambda: list(LoadRollup.objects.all()))
    return {(row.span_s, row.lane): row for row in found}


async def test_what_processes_counted_is_added_up(client: Redis) -> None:
    metrics.resumed()
    metrics.appended(3, 900)
    await load.tell(client)
    metrics.resumed()
    metrics.gap_healed()
    metrics.slow_client()
    metrics.shed("lane_full")
    await load.tell(client)
    await load.tell(client)  # nothing new
    assert await load.counted(client, MINUTE) == {
        "resumes": 2, "gaps_healed": 1, "slow_clients": 1, "shed": 1, "chunks": 3, "chunk_bytes": 900,
    }  # fmt: skip
    assert 0 < await client.ttl(keys.load(MINUTE)) <= load.TTL_S


async def test_what_could_not_be_told_is_told_later(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics.resumed()
    away = Redis(unix_socket_path="/nonexistent/valkey.sock")
    await load.tell(away)
    await away.aclose()
    metrics.resumed()
    await load.tell(client)
    assert await load.counted(client, MINUTE) == {"resumes": 2}


async def test_a_process_that_tells_nothing_by_itself_tells_soon(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "PERIOD_S", 0.01)
    metrics.shed("queue_full")
    load.tell_soon()
    load.tell_soon()

    async def told() -> bool:
        return await load.counted(client, MINUTE) == {"shed": 1}

    await until(told)


async def test_sockets_peak_per_process_and_are_added_up(client: Redis) -> None:
    one, two = SocketPeak("one"), SocketPeak("two")
    for sockets in (5, 9, 2):
        await load.tell(client, one, sockets)
    await load.tell(client, two, 4)
    assert await load.counted(client, MINUTE) == {"peak_sockets": 13}
    assert one.see(1, MINUTE + 60) == 1


def test_the_sites_peak_is_that_of_all_lanes_together() -> None:
    peaks = Peaks()
    peaks.see("one", 5, 0, MINUTE)
    peaks.see("two", 3, 7, MINUTE)
    peaks.see("one", 1, 2, MINUTE)
    assert peaks.take(MINUTE) == {
        "one": {"peak_running": 5, "peak_waiting": 2},
        "two": {"peak_running": 3, "peak_waiting": 7},
        "": {"peak_running": 8, "peak_waiting": 9},
    }
    peaks.see("one", 1, 1, MINUTE + 60)
    assert peaks.take(MINUTE + 60)[""] == {"peak_running": 4, "peak_waiting": 8}
    assert peaks.take(MINUTE) == {}  # it was forgotten with the look at a later one


def test_only_the_holder_shows_lanes_to_prometheus() -> None:
    peaks = Peaks()
    peaks.see("some lane", 5, 3, MINUTE)
    assert metrics.REGISTRY.get_sample_value("chat_queue_depth", {"lane": "some lane"}) == 3
    peaks.rest()
    assert metrics.REGISTRY.get_sample_value("chat_queue_depth", {"lane": "some lane"}) is None


@pytest.mark.django_db(transaction=True)
async def test_load_is_written_again_without_counting_twice(client: Redis) -> None:
    load.peaks.see("one", 5, 1, MINUTE)
    metrics.resumed()
    await load.tell(client)
    await bookkeeping.write_load()
    await bookkeeping.write_load()
    found = await rows()
    assert sorted(found) == [(60, ""), (60, "one"), (3600, ""), (3600, "one")]
    assert (found[60, ""].resumes, found[60, ""].peak_running, found[60, "one"].peak_waiting) == (1, 5, 1)
    assert found[3600, ""].resumes == 1


@pytest.mark.django_db(transaction=True)
async def test_a_new_holder_and_an_empty_redis_take_nothing_away(client: Redis) -> None:
    load.peaks.see("one", 5, 1, MINUTE)
    for _ in range(3):
        metrics.resumed()
    await load.tell(client)
    await bookkeeping.write_load()
    await client.delete(keys.load(MINUTE))
    load.peaks.rest()
    load.peaks.see("one", 2, 4, MINUTE)
    metrics.resumed()
    await load.tell(client)
    await bookkeeping.write_load()
    found = await rows()
    assert (found[60, "one"].peak_running, found[60, "one"].peak_waiting, found[60, ""].resumes) == (5, 4, 3)


@pytest.mark.django_db(transaction=True)
def test_an_hour_has_the_sums_and_the_highest_peaks_of_its_minutes() -> None:
    for number, peak in enumerate((3, 9, 4)):
        rollups.write_load(MINUTE + 60 * number, {"": {"peak_running": peak, "resumes": 2}})
    hour = LoadRollup.objects.get(span_s=3600)
    assert (hour.peak_running, hour.resumes) == (9, 6)


async def test_the_holder_keeps_the_books_beside_its_work(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeping, "PERIOD_S", 0.0)
    await engine.run(Text("Tea."), Usage(9, 4), Finish())
    keeper = Bookkeeper()
    keeper.keep()

    async def rolled_up() -> bool:
        found = await database.call(lambda: list(UsageRollup.objects.filter(span_s=60)))
        return [(row.completed, row.output_tokens) for row in found] == [(1, 4)]

    await until(rolled_up)
    await asyncio.sleep(0)
    keeper.keep()
    await keeper.aclose()


async def test_a_failure_is_tried_again_with_the_next_round(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bookkeeping, "PERIOD_S", 0.0)
    tried: list[int] = []

    async def fail() -> int:
        tried.append(1)
        raise ValueError("a defect")

    monkeypatch.setattr(bookkeeping, "roll_up", fail)
    keeper = Bookkeeper()

    async def twice() -> bool:
        keeper.keep()
        return len(tried) >= 2

    await until(twice)
    await keeper.aclose()
    assert "the books could not be kept" in caplog.text
