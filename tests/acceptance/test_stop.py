"""Stop is a fact: from any tab, before the first token, with the provider silent; the text stays, the bill ends."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from tests.acceptance.chat_client import ChatClient
from tests.acceptance.rig import Demo
from tests.acceptance.simulator_process import SimulatorProcess
from tests.simulator.text import text_of

pytestmark = pytest.mark.acceptance

#: 1 s in 95 of 100 cases is promised, 5 s at most. Where the machine is not ours it is less than the time after which
#: the provider would end it, or we for its silence: six minutes and more.
CLOSED_WITHIN_S = 15.0 if os.environ.get("CHATSITE_FULL") == "1" else 150.0
STEADY, SILENT, LATE = (
    "sim-tokens=8000+rate=20",
    "sim-tokens=60+rate=20+fault=stall+at=20",
    "sim-tokens=60+rate=20+first=900",
)
MODELS = [f"{model}+seed=1" for model in (STEADY, SILENT, LATE)]
ANTHROPIC_MODELS = [f"{model}+seed=2" for model in (STEADY, SILENT, LATE)]
OF_DIALECT = {"chat": MODELS, "messages": ANTHROPIC_MODELS}


async def stop_and_check(
    demo: Demo, simulator: SimulatorProcess, client: ChatClient, other: ChatClient, generation: str, model: str
) -> None:
    """Stop from the other tab; both end stopped, with the row's text, and the provider was left at once."""
    asked = time.time()
    await other.command("generation.stop", generation=generation)
    exchange = await asyncio.to_thread(simulator.wait_closed, model)
    assert exchange["client_closed_at"] - asked <= CLOSED_WITHIN_S
    views = [await reader.ended(generation) for reader in (client, other)]
    assert [view.status for view in views] == ["stopped", "stopped"]
    assert views[0].text == views[1].text == demo.row_text(generation)
    assert exchange["text"].startswith(views[0].text)


@pytest.mark.parametrize("dialect", ["chat", "messages"])
async def test_it_stops_from_another_tab_in_the_middle(demo: Demo, simulator: SimulatorProcess, dialect: str) -> None:
    model = OF_DIALECT[dialect][0]
    async with demo.client() as client, demo.client() as other:
        generation = await client.ask(demo.shared_conversation(), "go", model=model)
        await client.subscribe(generation)
        await other.subscribe(generation)
        await client.until(lambda: len(client.view(generation).text) > 100, "some text")
        shown = client.view(generation).text
        await stop_and_check(demo, simulator, client, other, generation, model)
        assert client.view(generation).text.startswith(shown)


@pytest.mark.parametrize("dialect", ["chat", "messages"])
async def test_it_stops_while_the_provider_is_silent(demo: Demo, simulator: SimulatorProcess, dialect: str) -> None:
    model = OF_DIALECT[dialect][1]
    async with demo.client() as client, demo.client() as other:
        generation = await client.ask(demo.shared_conversation(), "go", model=model)
        await client.subscribe(generation)
        await other.subscribe(generation)
        before = text_of(model, tokens=20)
        await client.until(lambda: client.view(generation).text == before, "the text before it")
        await stop_and_check(demo, simulator, client, other, generation, model)
        assert client.view(generation).text


@pytest.mark.parametrize("dialect", ["chat", "messages"])
async def test_it_stops_before_the_first_token(demo: Demo, simulator: SimulatorProcess, dialect: str) -> None:
    model = OF_DIALECT[dialect][2]
    async with demo.client() as client, demo.client() as other:
        generation = await client.ask(demo.shared_conversation(), "go", model=model)
        await client.subscribe(generation)
        await other.subscribe(generation)
        await client.until(lambda: client.view(generation).position.attempt > 0, "the start")
        await stop_and_check(demo, simulator, client, other, generation, model)
        assert client.view(generation).text == ""


async def test_stopping_twice_and_stopping_what_has_ended_change_nothing(demo: Demo) -> None:
    async with demo.client() as client:
        generation = await client.ask(demo.shared_conversation(), "go", model=MODELS[0])
        await client.subscribe(generation)
        await client.until(lambda: bool(client.view(generation).text), "some text")
        for _ in range(3):
            await client.command("generation.stop", generation=generation)
        view = await client.ended(generation)
        answer = await client.command("generation.stop", generation=generation)
    assert answer["status"] == "stopped"
    assert view.text == demo.row_text(generation)
