from __future__ import annotations

import asyncio
import time

import pytest

from streaming import heartbeat


class Item:
    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.ticked = asyncio.Event()

    def tick(self, now: float) -> None:
        self.ticked.set()
        if self.fails:
            raise RuntimeError("a defect")


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "TICK_S", 0.001)


async def until_ticked(*items: Item) -> None:
    async with asyncio.timeout(60):
        for item in items:
            item.ticked.clear()
            await item.ticked.wait()


async def test_everybody_is_ticked_by_one_task() -> None:
    before = asyncio.all_tasks()
    ticker, items = heartbeat.get(), [Item() for _ in range(heartbeat.SLICE + 1)]
    for item in items:
        ticker.add(item)
    assert len(asyncio.all_tasks() - before) == 1
    await until_ticked(items[0], items[-1])
    for item in items:
        ticker.discard(item)


async def test_one_that_fails_takes_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    ticker, broken, healthy = heartbeat.get(), Item(fails=True), Item()
    ticker.add(broken)
    ticker.add(healthy)
    await until_ticked(broken, healthy)
    assert "tick failed" in caplog.text
    ticker.discard(broken)
    ticker.discard(healthy)


async def test_it_stops_with_the_last_one_and_starts_again() -> None:
    ticker, item = heartbeat.get(), Item()
    ticker.add(item)
    await until_ticked(item)
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "heartbeat"]
    ticker.discard(item)
    ticker.discard(item)
    await asyncio.wait_for(task, 60)
    ticker.add(item)
    await until_ticked(item)
    ticker.discard(item)


async def test_its_clock_does_not_count_what_the_process_stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "TICK_MAX_S", 0.01)
    ticker, item = heartbeat.get(), Item()
    ticker.add(item)
    await until_ticked(item)
    before = ticker.now
    time.sleep(0.5)  # noqa: ASYNC251 - the loop is meant to stand still
    await until_ticked(item)
    assert 0 < ticker.now - before < 0.25
    ticker.discard(item)


async def test_there_is_one_per_event_loop() -> None:
    assert heartbeat.get() is heartbeat.get()
    other = await asyncio.to_thread(lambda: asyncio.run(_get()))
    assert other is not heartbeat.get()


async def _get() -> heartbeat.Ticker:
    return heartbeat.get()
