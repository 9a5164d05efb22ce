from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.db import connections

from streaming import bridge, database, keys, tasks
from streaming.bridge import Bridge
from streaming.lane_values import Ticket
from streaming.models import Generation
from streaming.providers import demo
from streaming.states import Status
from tests.engine import SETTINGS, create_row
from tests.valkey import Valkey

DEMO = {"alias": "scripted", "label": "Demo", "provider": "demo", "model": "demo", "options": {"tokens_per_second": 0}}


@pytest.fixture(autouse=True)
def _settings(settings: Any, valkey: Valkey, transactional_db: None) -> None:
    settings.STREAMING = SETTINGS | {"redis_url": valkey.url, "models": (DEMO,)}


@pytest.fixture
def running() -> Iterator[Bridge]:
    """The bridge of this process, as a Celery worker has it."""
    yield bridge.get()
    bridge.close()
    database.shutdown()


@pytest.fixture
def server(valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as client:
        yield client


def test_a_task_runs_a_generation_from_its_own_thread(running: Bridge) -> None:
    ids = [create_row(lane="") for _ in range(5)]
    threads = [threading.Thread(target=tasks.run_generation, args=(generation_id, 0, "")) for generation_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for generation in Generation.objects.filter(pk__in=ids):
        assert generation.status == Status.COMPLETED
        assert generation.text
        assert generation.attempts.get().worker == running.worker_id


def test_there_is_one_bridge_in_a_process(running: Bridge) -> None:
    assert bridge.get() is running


def test_a_worker_is_alive_in_redis_from_its_beginning_to_its_end(running: Bridge, server: redis.Redis) -> None:
    name = keys.worker_lease(running.worker_id)
    assert 5_000 < server.pttl(name) <= 10_000
    bridge.close()
    assert not server.exists(name)


def test_the_lease_is_renewed(monkeypatch: pytest.MonkeyPatch, server: redis.Redis) -> None:
    monkeypatch.setattr(bridge, "BEAT_S", 0.02)
    worker = Bridge()
    try:
        name = keys.worker_lease(worker.worker_id)
        server.delete(name)
        deadline = threading.Event()
        for _ in range(200):
            if server.exists(name):
                break
            deadline.wait(0.01)
        assert server.exists(name)
    finally:
        worker.close()
        database.shutdown()


def test_the_lease_tells_its_room_and_none_once_it_shuts_down(
    monkeypatch: pytest.MonkeyPatch, server: redis.Redis
) -> None:
    monkeypatch.setattr(bridge, "BEAT_S", 0.02)
    worker = Bridge()

    def tells(slots: int) -> bool:
        lease = server.get(keys.worker_lease(worker.worker_id))
        return json.loads(lease)["slots"] == slots

    def wait_until_it_tells(slots: int) -> None:
        pause = threading.Event()
        assert any(tells(slots) or pause.wait(0.02) for _ in range(500))

    try:
        assert tells(500)
        assert server.sismember(keys.WORKERS_KNOWN, worker.worker_id)
        worker.slots_max = 7  # what Celery was started with
        wait_until_it_tells(7)
        worker.drain()
        wait_until_it_tells(0)
    finally:
        worker.close()
        database.shutdown()


def test_a_drain_hands_back_what_has_no_text(running: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    async def stall(self: demo.DemoProvider, entry: Any, prompt: Any) -> Any:
        asked.set()
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr(demo.DemoProvider, "stream", stall)
    generation_id = create_row(lane="")
    thread = threading.Thread(target=tasks.run_generation, args=(generation_id, 0, ""))
    thread.start()
    assert asked.wait(5)
    bridge.drain()
    thread.join(5)
    assert not thread.is_alive()
    assert Generation.objects.get(pk=generation_id).status == Status.QUEUED


def test_a_closed_bridge_leaves_nothing_running() -> None:
    before = set(threading.enumerate())
    worker = Bridge()
    worker.run_generation(Ticket(create_row(lane="")))
    worker.close()
    database.shutdown()
    assert worker._loop.is_closed()
    left = {thread.name for thread in set(threading.enumerate()) - before if thread.is_alive()}
    assert not any(name == "bridge" or name.startswith("database") for name in left)
    connections.close_all()


def test_without_redis_a_worker_starts_and_ends_all_the_same(valkey: Valkey) -> None:
    valkey.kill()
    try:
        worker = Bridge()
        worker.close()
        database.shutdown()
    finally:
        valkey.start()


def test_draining_or_closing_what_never_began_is_harmless() -> None:
    bridge.drain()
    bridge.close()
