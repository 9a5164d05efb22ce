"""A cancellation that was swallowed is asked for again."""

from __future__ import annotations

import asyncio
import contextlib

from streaming.cancellation import cancel


async def test_a_task_that_swallows_the_first_cancellation_ends_all_the_same() -> None:
    swallowed = asyncio.Event()

    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        swallowed.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(cancel(task), 60)
    assert swallowed.is_set()
    assert task.cancelled()


async def test_failures_and_results_of_ended_tasks_are_dropped() -> None:
    async def fail() -> None:
        raise OSError("gone")

    tasks = [asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(0))]
    await asyncio.wait(tasks)
    await cancel(*tasks)
    tasks[0].exception()


async def test_nothing_to_end_is_fine() -> None:
    await cancel()
