"""One failure is one failure: what a test left in a demo does not meet the next one."""

from __future__ import annotations

import asyncio

import pytest

from tests.acceptance.leftovers import clear
from tests.acceptance.rig import Demo, is_alive
from tests.acceptance.test_worker_loss import busy_worker

pytestmark = pytest.mark.acceptance


async def test_an_answer_that_runs_a_question_that_waits_and_a_dead_worker_are_gone_afterwards(demo: Demo) -> None:
    conversation = demo.shared_conversation()
    async with demo.client("ann") as ann:
        running = await ann.ask(conversation, "A slow and long story please", model="demo")
        await ann.subscribe(running)
        await ann.until(lambda: bool(ann.view(running).text), "text")
        assert not await ann.ask(conversation, "And another one", model="demo"), "it waits for the first one's end"
        idle = next(name for name in ("worker 1", "worker 2") if name != busy_worker(demo, running))
        killed = demo.kill(idle)
        await asyncio.to_thread(clear, demo)
        assert demo.pid(idle) != killed
        assert is_alive(demo.pid(idle))
        assert (await ann.ended(running)).status == "stopped"
        after = await ann.ask(conversation, "Hello", model="demo")
        await ann.subscribe(after)
        assert (await ann.ended(after)).status == "completed"
    texts = demo.rows("SELECT state FROM chat_message WHERE text = 'And another one'")
    assert [row["state"] for row in texts] == ["dropped"]
