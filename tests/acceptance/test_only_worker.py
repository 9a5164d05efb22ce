"""The only worker is killed and started again: nobody else watches on but the web process, and that is enough."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.request
from typing import Any

import pytest
import redis

from streaming import keys, witness
from tests.acceptance.chat_client import ChatClient
from tests.acceptance.rig import Demo

pytestmark = pytest.mark.acceptance

#: 15 s are promised where a worker starts in some seconds. The same beside what this machine takes for a start.
GOES_ON_WITHIN_S = 15.0
#: A web process that stands still for longer cannot watch either: the watch is rightly broken then.
STANDS_STILL_S = witness.GAP_MAX_S - witness.PERIOD_S - 1.0


class Pulse:
    """Asks the web process again and again whether its loop turns; `longest_s`: without an answer."""

    def __init__(self, demo: Demo) -> None:
        self._url, self._over = f"{demo.url}livez", threading.Event()
        self._thread = threading.Thread(target=self._beat)
        self.longest_s = 0.0

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        heard_at = time.monotonic()
        while not self._over.wait(0.2):
            with urllib.request.urlopen(self._url, timeout=120) as answer:
                answer.read()
            self.longest_s, heard_at = max(self.longest_s, time.monotonic() - heard_at), time.monotonic()


def watch(demo: Demo) -> tuple[float, float]:
    """Since when it goes without a break, and when somebody looked last."""
    with redis.Redis.from_url(demo.redis_url) as client:
        since, at = client.hmget(keys.WORKER_WATCH, "since", "at")
    return int(since or 0) / 1000, int(at or 0) / 1000


def is_old_enough(demo: Demo) -> bool:
    """The demo has only just begun: nobody can be called dead before the watch is older than a lease."""
    since, at = watch(demo)
    return at - since > witness.LEASE_S


async def restart_s(demo: Demo, killed: int) -> float:
    started = time.monotonic()
    await demo.back("worker 1", killed)
    return time.monotonic() - started


async def lose_the_worker(demo: Demo, ann: ChatClient, generation: str) -> dict[str, Any]:
    """Until the answer has gone on for a while; what was seen of it."""
    view = ann.view(generation)
    shown, at, killed_at = view.text, time.monotonic(), time.time()
    killed = demo.kill("worker 1")
    starting = asyncio.create_task(restart_s(demo, killed))
    await ann.until(lambda: view.position.attempt == 2, "the next attempt")
    took, start = time.monotonic() - at, await starting
    since, _ = watch(demo)
    await ann.until(lambda: len(view.text) > len(shown) + 50, "its text")
    return {"shown": shown, "killed_at": killed_at, "took": took, "start": start, "watched_since": since}


async def test_the_answer_of_the_only_worker_goes_on_soon_after_its_restart() -> None:
    with Demo(env={"DEMO_TOKENS_PER_SECOND": "10"}) as demo:
        async with demo.client("ann") as ann:
            generation = await ann.ask(demo.shared_conversation(), "please tell me a long story", model="demo")
            await ann.subscribe(generation)
            view = ann.view(generation)
            await ann.until(lambda: len(view.text) > 160 and is_old_enough(demo), "some text")
            with Pulse(demo) as pulse:
                seen = await lose_the_worker(demo, ann, generation)
            await ann.command("generation.stop", generation=generation)
            ended = await ann.ended(generation)
        assert ended.text.startswith(seen["shown"])
        assert ended.text == demo.row_text(generation)
        print(f"after {seen['took']:.1f} s, its start took {seen['start']:.1f} s; no pulse for {pulse.longest_s:.1f} s")
        if pulse.longest_s < STANDS_STILL_S:
            assert seen["watched_since"] < seen["killed_at"], "the new worker began a watch of its own"
            assert seen["took"] <= GOES_ON_WITHIN_S + seen["start"]
