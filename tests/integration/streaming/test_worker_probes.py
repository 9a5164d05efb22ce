"""What a worker process answers on a port of its own."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from streaming import bridge, database, health, worker_probes
from streaming.bridge import Bridge
from streaming.worker_probes import WorkerProbes
from tests.engine import SETTINGS
from tests.valkey import Valkey


@pytest.fixture
def running(settings: Any, valkey: Valkey, transactional_db: None) -> Iterator[Bridge]:
    settings.STREAMING = SETTINGS | {"redis_url": valkey.url}
    yield bridge.get()
    bridge.close()
    database.shutdown()


@pytest.fixture
def port(running: Bridge) -> Iterator[int]:
    probes = WorkerProbes()
    yield probes.start("127.0.0.1:0")
    probes.close()


def get(port: int, path: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_without_an_address_nothing_is_served() -> None:
    assert WorkerProbes().start("") == 0


def test_a_worker_lives_is_ready_and_counts(port: int) -> None:
    assert get(port, "/livez")[0] == 200
    assert json.loads(get(port, "/readyz")[1]) == {"ok": True, "problems": []}
    assert "# TYPE chat_streams_active gauge" in get(port, "/metrics")[1]
    assert get(port, "/admin/")[0] == 404


def test_a_worker_that_shuts_down_is_not_ready(port: int, running: Bridge) -> None:
    running.drain()
    running.ask(worker_probes._alive(), 20)
    status, body = get(port, "/readyz")
    assert (status, json.loads(body)["problems"]) == (503, ["draining"])
    assert get(port, "/livez")[0] == 200


def test_a_worker_without_redis_is_not_ready(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look() -> list[str]:
        return ["redis"]

    monkeypatch.setattr(health, "problems", look)
    assert get(port, "/readyz")[0] == 503


def test_a_loop_that_does_not_turn_is_dead(port: int, running: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_probes, "LOOP_WITHIN_S", 0.0)
    assert get(port, "/livez")[0] == 503


def test_the_lease_tells_the_port(running: Bridge) -> None:
    assert "probes_port" not in running._about()
    running.probes_port = 9101
    assert running._about()["probes_port"] == 9101
