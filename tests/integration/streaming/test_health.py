"""Whether a process can do its work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels.layers import get_channel_layer

from streaming import database, health
from streaming.health import Health, LayerProbe
from tests.engine import close_clients
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def clients(streaming_settings: Any) -> AsyncIterator[None]:
    yield
    await close_clients()


async def test_all_that_is_needed_answers() -> None:
    assert await health.problems() == []


async def test_a_database_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError

    monkeypatch.setattr(health, "_select", fail)
    assert await Health().problems() == ["database"]


async def test_a_frozen_redis_is_named_within_the_deadline(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "WITHIN_S", 0.2)

    async def hang() -> None:
        await asyncio.Event().wait()

    looks = Health()
    looks._looks["redis"] = hang
    assert await looks.problems() == ["redis"]


async def test_looks_in_quick_succession_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    monkeypatch.setattr(health, "_select", lambda: looked.append(1))
    looks = Health()
    await asyncio.gather(looks.problems(), looks.problems(), looks.problems())
    assert looked == [1]


async def test_looks_leave_no_channels_behind() -> None:
    probe = LayerProbe()
    layer: Any = get_channel_layer()
    for _ in range(5):
        await probe()
    shard_layer = layer._get_layer()
    assert len([name for name in shard_layer.channels if "health." in name]) == 1
    assert await database.call(lambda: True)
