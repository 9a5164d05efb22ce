from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from streaming import fanout, providers, runner, wake_ups
from streaming.cancellation import cancel
from tests import engine as doubles
from tests.engine import Broker, Change, Engine, ScriptedProvider, open_lane
from tests.integration.streaming.keeper_bed import MODEL, KeeperBed
from tests.integration.streaming.lane_bed import LaneBed
from tests.valkey import Valkey


@pytest.fixture
def streaming_settings(settings: Any, valkey: Valkey) -> dict[str, Any]:
    """The settings of a test's engine: assign `settings.STREAMING` again to change some of them."""
    chosen = {"redis_url": valkey.url, **doubles.SETTINGS}
    settings.STREAMING = chosen
    return chosen


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> ScriptedProvider:
    scripted = ScriptedProvider()
    monkeypatch.setattr(providers, "get_provider", lambda entry: scripted)
    return scripted


@pytest.fixture
async def engine(
    transactional_db: None,
    streaming_settings: dict[str, Any],
    provider: ScriptedProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Engine]:
    monkeypatch.setattr(runner, "WATCH_PERIOD_S", 0.02)
    doubles.ended.clear()
    broker = Broker()
    monkeypatch.setattr(wake_ups, "send", broker.send)
    monkeypatch.setattr(wake_ups, "letter", lambda lane: None)  # lanes leave it to the broker
    await open_lane()
    running = broker.worker = Engine(provider, broker)
    yield running
    await running.aclose()


@pytest.fixture
async def hasty_lane(engine: Engine) -> AsyncIterator[None]:
    """Nobody waits for a provider that closed the lane."""
    hastening = asyncio.create_task(doubles.hasten_lane())
    yield
    await cancel(hastening)


@pytest.fixture
async def lane(valkey: Valkey) -> AsyncIterator[LaneBed]:
    """A lane that nobody has built yet, under virtual time."""
    async with Redis.from_url(valkey.url) as client:
        yield LaneBed(client)


@pytest.fixture
async def bed(
    transactional_db: None, change: Change, direct: Redis, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KeeperBed]:
    """A lane that is kept by hand; nobody is really sent to a worker, nothing to the layer."""
    change(models=(MODEL,))
    there = KeeperBed(direct)
    monkeypatch.setattr(wake_ups, "send", there.send)
    monkeypatch.setattr(wake_ups, "letter", lambda lane: None)
    monkeypatch.setattr(fanout, "send", there.receive)
    yield there
    there.forecasts.end()
    await doubles.close_clients()


@pytest.fixture
async def direct(valkey: Valkey) -> AsyncIterator[Redis]:
    """A client of the test's own."""
    async with Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
def change(settings: Any, streaming_settings: dict[str, Any]) -> Change:
    """Change settings in the middle of a test (the publisher keeps those it began with)."""

    def apply(**values: Any) -> None:
        settings.STREAMING = settings.STREAMING | values

    return apply


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was fanned out beside the log."""
    sent: list[str] = []

    async def note(group: str, frame: str) -> bool:
        sent.append(frame)
        return True

    monkeypatch.setattr(fanout, "broadcast", note)
    return sent


@pytest.fixture
def rare_checkpoints(change: Change) -> None:
    """Before `engine`: its row is looked at only at the end."""
    change(checkpoint_s=60.0)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the runner looked at its runs; ask for it before `engine`."""
    watch, times = runner.Runner._watch, list[float]()

    async def look(self: runner.Runner, now: float) -> None:
        times.append(now)
        await watch(self, now)

    monkeypatch.setattr(runner.Runner, "_watch", look)
    return times
