"""An answer lasts until a test says otherwise: the pace of a model's answers can be changed while they run."""

import asyncio
import contextlib
from typing import Any

import httpx2
import pytest

from tests.simulator import Simulator
from tests.simulator.text import text_of

SLOW = "sim-tokens=50,rate=0.001"
PATHS = {"chat": "/chat/completions", "background": "/responses"}


async def _read(simulator: Simulator, path: str, model: str) -> None:
    body: dict[str, Any] = {"model": model, "stream": True, "background": path == PATHS["background"]}
    async with httpx2.AsyncClient(timeout=60) as client:
        await client.post(f"{simulator.openai_url}{path}", json=body)


@pytest.mark.parametrize("kind", PATHS)
async def test_a_slow_answer_comes_to_its_end_when_it_is_told_to(kind: str) -> None:
    async with Simulator() as simulator:
        reading = asyncio.create_task(_read(simulator, PATHS[kind], SLOW))
        await simulator.until(lambda: simulator.exchanges, 60)
        simulator.pace("sim-tokens=50,rate=0.001,seed=1", 0)  # another model
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reading), 0.2)
        assert not reading.done()
        simulator.pace(SLOW, 0)
        await reading
        assert simulator.exchanges[0].outcome == "complete"
        if kind == "chat":
            assert simulator.exchanges[0].text == text_of(SLOW)


async def test_later_answers_have_the_pace_too_until_it_is_taken_back() -> None:
    model = "sim-tokens=50"
    async with Simulator() as simulator:
        simulator.pace(model, 0.001)
        reading = asyncio.create_task(_read(simulator, PATHS["chat"], model))
        await simulator.until(lambda: simulator.exchanges and simulator.exchanges[0].sent, 60)
        assert len(simulator.exchanges[0].sent) == 1
        simulator.pace(model, None)
        await reading
        assert simulator.exchanges[0].text == text_of(model)
