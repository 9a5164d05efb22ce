"""A web process that is asked to end: the hint, then the server's own end."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from chat import restart, sockets


class Server:
    """What uvicorn does: a handler of its own, which ends everything at once."""

    def __init__(self) -> None:
        self.ended: list[int] = []
        self.has_ended = asyncio.Event()

    def handle(self, number: int, frame: Any) -> None:
        self.ended.append(number)
        self.has_ended.set()


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    former = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, former)


class Socket:
    """Notes what it is sent."""

    def __init__(self, sent: list[str]) -> None:
        self.connection = self
        self.send_frame = sent.append


def connect(count: int) -> list[list[str]]:
    """So many sockets of this process; returns what each is sent."""
    sent: list[list[str]] = [[] for _ in range(count)]
    for frames in sent:
        sockets.get().all.add(Socket(frames))  # type: ignore[arg-type]
    return sent


async def start() -> Server:
    server = Server()
    signal.signal(signal.SIGTERM, server.handle)
    restart.prepare()
    return server


async def test_all_sockets_are_told_before_the_server_ends() -> None:
    server, sent = await start(), connect(3)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not server.ended, "the sockets would be closed before the hint has left"
    assert [json.loads(frames[0])["type"] for frames in sent] == ["reconnect"] * 3
    assert sockets.get().restarting
    async with asyncio.timeout(60):
        await server.has_ended.wait()
    assert server.ended == [signal.SIGTERM]


async def test_without_sockets_it_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "NOTICE_S", 1000.0)
    server = await start()
    signal.raise_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        await server.has_ended.wait()


async def test_whoever_asks_twice_is_not_kept_waiting() -> None:
    server, _ = await start(), connect(1)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    assert server.ended == [signal.SIGTERM]


async def test_it_comes_before_the_server_once_however_many_sockets_there_are() -> None:
    await start()
    installed = signal.getsignal(signal.SIGTERM)
    restart.prepare()
    assert signal.getsignal(signal.SIGTERM) == installed


async def test_where_no_server_handles_the_signal_nothing_changes() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    restart.prepare()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_few_come_back_soon_and_many_are_spread(settings: Any) -> None:
    random.seed(7)
    few = [json.loads(restart.hint(20))["after_ms"] for _ in range(200)]
    many = [json.loads(restart.hint(5000))["after_ms"] for _ in range(200)]
    assert max(few) <= 200
    assert 9000 < max(many) <= 10_000
    assert len(set(many)) > 150
    settings.STREAMING = settings.STREAMING | {"reconnect_spread_s": 2.0}
    assert max(json.loads(restart.hint(5000))["after_ms"] for _ in range(200)) <= 2000
