"""The project's settings, and a demo model whose states last until a test has seen them: long answers are longer, what
must wait for the provider waits for minutes, and a thought has no end. A file ends what was slow on purpose."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from chatsite.settings import *  # noqa: F403
from chatsite.settings import STREAMING as PRODUCT_STREAMING
from streaming.prompt import Prompt
from streaming.providers import demo, demo_answers
from streaming.providers.base import ModelEntry, Part

HURRY = Path(os.environ["BROWSER_HURRY"])
THOUGHT_S = 3600.0

STREAMING = {**PRODUCT_STREAMING, "max_wait_s": 3600.0, "first_text_timeout_s": 600.0}
demo.RETRY_AFTER_S = 110.0  # the longest that a provider is waited for is 120 s
demo_answers.LONG_SECTIONS, demo_answers._TITLES = 20, 2 * demo_answers._TITLES

_stream, _schedule, _limit = demo.DemoProvider.stream, demo.DemoProvider._schedule, demo.DemoProvider._limit


async def stream(provider: demo.DemoProvider, entry: ModelEntry, prompt: Prompt) -> AsyncGenerator[Part]:
    if "think" in prompt.messages[-1].text:
        await asyncio.sleep(THOUGHT_S)
    async for part in _stream(provider, entry, prompt):
        yield part


def schedule(provider: demo.DemoProvider, entry: ModelEntry, *, slow: bool) -> Callable[[int], float]:
    due = _schedule(provider, entry, slow=slow)
    return lambda index: 0.0 if HURRY.exists() else due(index)


def limit(provider: demo.DemoProvider, name: str) -> None:
    if not HURRY.exists():
        _limit(provider, name)


demo.DemoProvider.stream = stream  # type: ignore[method-assign]
demo.DemoProvider._schedule = schedule  # type: ignore[method-assign]
demo.DemoProvider._limit = limit  # type: ignore[method-assign]
