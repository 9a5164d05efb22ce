from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from streaming import shared_read
from streaming.shared_read import SharedRead
from streaming.viewer import Viewer


def viewer() -> Viewer:
    return cast(Viewer, object())


class Reader:
    """A read that can be held, and notes for whom it read."""

    def __init__(self) -> None:
        self.reads: list[list[Any]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.changed = asyncio.Condition()

    async def __call__(self, waiters: list[Viewer]) -> None:
        self.reads.append(waiters)
        async with self.changed:
            self.changed.notify_all()
        await self.go.wait()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: len(self.reads) >= count)


async def test_whoever_comes_before_it_starts_shares_it() -> None:
    reader = Reader()
    shared, viewers = SharedRead(reader), [viewer() for _ in range(3)]
    for one in viewers:
        shared.want(one)
    await reader.until(1)
    assert reader.reads == [viewers]


async def test_whoever_comes_while_one_runs_gets_the_next_and_only_one_is_pending() -> None:
    reader = Reader()
    shared, first, later = SharedRead(reader), viewer(), [viewer() for _ in range(3)]
    reader.go.clear()
    shared.want(first)
    await reader.until(1)
    for one in later:
        shared.want(one)
        await asyncio.sleep(0)
    assert len(reader.reads) == 1
    reader.go.set()
    await reader.until(2)
    assert reader.reads == [[first], later]


async def test_a_read_for_the_feed_itself_has_no_waiters() -> None:
    reader = Reader()
    SharedRead(reader).want()
    await reader.until(1)
    assert reader.reads == [[]]


async def test_whoever_left_is_not_read_for() -> None:
    reader = Reader()
    shared, gone, stays = SharedRead(reader), viewer(), viewer()
    shared.want(gone)
    shared.want(stays)
    shared.forget(gone)
    await reader.until(1)
    assert reader.reads == [[stays]]


async def test_who_is_parked_is_read_for_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_read, "RETRY_S", 0.001)
    reader, one = Reader(), viewer()
    shared = SharedRead(reader)
    shared.want_later(one)
    shared.want_later()
    await reader.until(1)
    assert reader.reads == [[one]]


async def test_retries_come_ever_more_slowly_until_one_read_puts_nothing_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_read, "RETRY_S", 0.001)
    reader = Reader()
    shared = SharedRead(reader)
    delays = []
    for count in range(1, 4):
        shared.want_later()
        assert shared._timer is not None
        delays.append(shared._timer.when() - asyncio.get_running_loop().time())
        shared._timer.cancel()
        shared._timer = None
        if count == 3:
            shared.want()
            await reader.until(1)
            await asyncio.sleep(0)
            shared.want_later()
            assert shared._timer is not None
            delays.append(shared._timer.when() - asyncio.get_running_loop().time())
            shared.close()
    assert delays[0] < delays[1] < delays[2]
    assert delays[3] < delays[1]


async def test_after_it_is_closed_nothing_is_read() -> None:
    reader = Reader()
    shared = SharedRead(reader)
    shared.want_later(viewer())
    shared.close()
    shared.want(viewer())
    shared.want_later(viewer())
    await asyncio.sleep(0.01)
    assert reader.reads == []
