"""The only worker is killed and started again: nobody else watches on but the web process, and that is enough."""

from __future__ import annotations

import asyncio
import time

import pytest
import redis

from streaming import keys
from tests.acceptance.rig import Demo

pytestmark = pytest.mark.acceptance

#: 15 s are promised where a worker starts in some seconds. The same beside what this machine takes for a start.
GOES_ON_WITHIN_S = 15.0


def watched_since(demo: Demo) -> float:
    with redis.Redis.from_url(demo.redis_url) as client:
        return int(client.hget(keys.WORKER_WATCH, "since") or 0) / 1000


async def restart_s(demo: Demo, killed: int) -> float:
    started = time.monotonic()
    await demo.back("worker 1", killed)
    return time.monotonic() - started


async def test_the_answer_of_the_only_worker_goes_on_soon_after_its_restart() -> None:
    with Demo(env={"DEMO_TOKENS_PER_SECOND": "20"}) as demo:
        conversation = demo.shared_conversation()
        async with demo.client("ann") as ann:
            generation = await ann.ask(conversation, "please tell me a long story", model="demo")
            await ann.subscribe(generation)
            view = ann.view(generation)
            # Until the watch is older than a lease: the demo has only just begun.
            await ann.until(lambda: len(view.text) > 1150, "some text", 150)
            shown, at = view.text, time.monotonic()
            killed, killed_at = demo.kill("worker 1"), time.time()
            starting = asyncio.create_task(restart_s(demo, killed))
            await ann.until(lambda: view.position.attempt == 2, "the next attempt", 150)
            took, start = time.monotonic() - at, await starting
            print(f"the answer of the only worker goes on after {took:.1f} s, its start took {start:.1f} s")
            await ann.until(lambda: len(view.text) > len(shown) + 50, "its text")
            assert watched_since(demo) < killed_at, "the new worker began a watch of its own"
            await ann.command("generation.stop", generation=generation)
            ended = await ann.ended(generation)
        assert took <= GOES_ON_WITHIN_S + start, f"{took:.1f} s"
        assert ended.text.startswith(shown)
        assert ended.text == demo.row_text(generation)
