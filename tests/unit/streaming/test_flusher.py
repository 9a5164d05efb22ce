"""Sends that are begun without a task, and brought to their end by one if they have to wait."""

from __future__ import annotations

import asyncio

import pytest

from streaming import flusher
from streaming.flusher import SLICE, Begun, begin


class Gate:
    """`pass_through` waits twice, and says what became of it."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.said: list[str] = []

    async def pass_through(self, fails: bool = False) -> None:
        try:
            await self.opened.wait()
            await asyncio.sleep(0)
            if fails:
                raise ValueError("the gate broke")
            self.said.append("through")
        except asyncio.CancelledError:
            self.said.append("cancelled")
            raise
        finally:
            self.said.append("done")


async def test_what_needs_not_wait_is_done_at_once() -> None:
    gate = Gate()
    gate.opened.set()

    async def direct() -> None:
        gate.said.append("through")

    assert begin(direct()) is None
    assert gate.said == ["through"]


async def test_what_fails_at_once_raises() -> None:
    async def broken() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        begin(broken())


async def test_what_has_to_wait_is_brought_to_its_end_by_whoever_awaits_it() -> None:
    gate = Gate()
    begun = begin(gate.pass_through())
    assert isinstance(begun, Begun)
    task = asyncio.create_task(_finish(begun))
    await asyncio.sleep(0.01)
    assert not task.done()
    gate.opened.set()
    await asyncio.wait_for(task, 60)
    assert gate.said == ["through", "done"]


async def test_it_may_be_over_before_anybody_awaits_it() -> None:
    gate = Gate()
    begun = begin(gate.pass_through())
    assert begun is not None
    gate.opened.set()
    await asyncio.sleep(0.01)
    await asyncio.wait_for(_finish(begun), 60)
    assert gate.said == ["through", "done"]


async def test_its_failure_and_its_cancellation_arrive_where_they_belong() -> None:
    failing, cancelled = Gate(), Gate()
    first, second = begin(failing.pass_through(fails=True)), begin(cancelled.pass_through())
    assert first is not None
    assert second is not None
    failing.opened.set()
    with pytest.raises(ValueError, match="broke"):
        await _finish(first)
    task = asyncio.create_task(_finish(second))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (failing.said, cancelled.said) == (["done"], ["cancelled", "done"])


async def test_everybody_is_flushed_once_and_in_slices() -> None:
    class Item:
        count = 0

        def flush(self) -> None:
            self.count += 1

    items = [Item() for _ in range(SLICE + 1)]
    for item in items:
        flusher.get().add(item)
    assert {item.count for item in items} == {0}
    await asyncio.sleep(0)
    assert [item.count for item in items] == [1] * SLICE + [0]
    await asyncio.sleep(0)
    assert {item.count for item in items} == {1}
    assert flusher.get() is flusher.get()


async def _finish(begun: Begun) -> None:
    await begun
