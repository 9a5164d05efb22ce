"""OpenAI's background mode through the real SDK: the run outlives its connection and is found again by its id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import openai
import pytest

from streaming import providers
from streaming.errors import ProviderError, ProviderOverloaded, ProviderUnavailable, RunGone
from streaming.prompt import Prompt, PromptMessage
from streaming.providers.base import Finish, Handle, Limits, ModelEntry, Part, RunKeeper, Text, Usage
from streaming.providers.openai import OpenAIProvider
from tests.simulator import Simulator, corpus

PROMPT = Prompt((PromptMessage("user", "hi"),))


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator
        await providers.aclose_all()


@pytest.fixture
def entry(simulator: Simulator) -> ModelEntry:
    address = {"base_url": simulator.openai_url, "api_key": "sk-for-tests"}
    return ModelEntry("m", "M", "openai", "sim-", dialect="responses", options={"background": True}, **address)


@pytest.fixture
async def provider(simulator: Simulator, entry: ModelEntry) -> OpenAIProvider:
    opened = providers.get_provider(entry)
    assert isinstance(opened, OpenAIProvider)
    assert isinstance(opened, RunKeeper)
    return opened


async def read(answer: AsyncGenerator[Part]) -> tuple[list[Part], ProviderError | None]:
    parts: list[Part] = []
    try:
        async for part in answer:
            parts.append(part)
    except ProviderError as error:
        return parts, error
    return parts, None


def text_of(parts: list[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


async def leave_after(answer: AsyncGenerator[Part], texts: int) -> str:
    """Read so many texts and close the connection; returns the run's handle."""
    handle = ""
    async for part in answer:
        if isinstance(part, Handle):
            handle = part.handle
        texts -= isinstance(part, Text)
        if not texts:
            break
    await answer.aclose()
    return handle


async def test_the_handle_comes_before_any_text(
    simulator: Simulator, provider: OpenAIProvider, entry: ModelEntry
) -> None:
    parts, error = await read(provider.stream(replace(entry, model="sim-tokens=30,unicode=1"), PROMPT))
    assert error is None
    assert parts[0] == Handle(next(iter(simulator.runs.all)))
    assert text_of(parts) == "".join(corpus.tokens(30, 0, True))
    assert parts[-2:] == [Usage(12, 30, 3), Finish("stop")]
    body = simulator.exchanges[0].body
    assert (body["background"], body["store"], body["stream"]) == (True, True, True)


async def test_the_limits_come_with_a_run_and_with_its_refusal(
    simulator: Simulator, provider: OpenAIProvider, entry: ModelEntry
) -> None:
    simulator.headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59"}
    parts, _ = await read(provider.stream(replace(entry, model="sim-tokens=5"), PROMPT))
    assert [type(part) for part in parts[:3]] == [Limits, Handle, Text]
    assert parts[0] == Limits(simulator.headers)
    _, error = await read(provider.stream(replace(entry, model="sim-fault=429"), PROMPT))
    assert error is not None
    assert error.headers == simulator.headers


async def test_a_run_goes_on_without_its_client_and_is_read_again_whole(
    simulator: Simulator, provider: OpenAIProvider, entry: ModelEntry
) -> None:
    asked = replace(entry, model="sim-tokens=60,rate=200,unicode=1")
    handle = await leave_after(provider.stream(asked, PROMPT), 5)
    run = simulator.runs.all[handle]
    await simulator.until(lambda: simulator.exchanges[0].client_closed_at)
    at_closing = len(run.sent)
    parts, error = await read(provider.reattach(asked, handle))
    assert error is None
    assert at_closing < 60, "it was over before anybody left: the test proves nothing"
    assert text_of(parts) == "".join(corpus.tokens(60, 0, True))
    assert parts[-2:] == [Usage(12, 60, 3), Finish("stop")]
    assert [exchange.method for exchange in simulator.exchanges] == ["POST", "GET"]


async def test_a_finished_run_is_read_again_too(
    simulator: Simulator, provider: OpenAIProvider, entry: ModelEntry
) -> None:
    asked = replace(entry, model="sim-tokens=20,rate=400")
    handle = await leave_after(provider.stream(asked, PROMPT), 1)
    await simulator.until(lambda: simulator.runs.all[handle].status == "completed")
    parts, _ = await read(provider.reattach(asked, handle))
    assert text_of(parts) == "".join(corpus.tokens(20, 0, False))
    assert parts[-1] == Finish("stop")


@pytest.mark.parametrize("status", [400, 404])
async def test_a_run_that_is_too_old_is_gone(
    simulator: Simulator, provider: OpenAIProvider, entry: ModelEntry, status: int
) -> None:
    asked = replace(entry, model=f"sim-tokens=20,rate=200,gone={status}")
    handle = await leave_after(provider.stream(asked, PROMPT), 1)
    assert isinstance((await read(provider.reattach(asked, handle)))[1], RunGone)
    assert isinstance((await read(provider.reattach(asked, "resp_nobody_knows")))[1], RunGone)


async def test_a_vendor_in_trouble_may_still_have_the_run(provider: OpenAIProvider, entry: ModelEntry) -> None:
    asked = replace(entry, model="sim-tokens=20,rate=200,gone=503")
    handle = await leave_after(provider.stream(asked, PROMPT), 1)
    assert isinstance((await read(provider.reattach(asked, handle)))[1], ProviderOverloaded)


async def test_a_cancelled_run_says_no_more(simulator: Simulator, provider: OpenAIProvider, entry: ModelEntry) -> None:
    asked = replace(entry, model="sim-tokens=500,rate=100")
    handle = await leave_after(provider.stream(asked, PROMPT), 3)
    await provider.cancel(asked, handle)
    run = simulator.runs.all[handle]
    assert run.status == "cancelled"
    said = len(run.sent)
    await asyncio.sleep(0.1)
    assert len(run.sent) == said < 500
    with pytest.raises(ProviderError):
        await provider.cancel(asked, "resp_nobody_knows")


@pytest.mark.parametrize("fault", ["rst", "fin", "clean"])
async def test_a_broken_connection_leaves_the_run(
    simulator: Simulator, provider: OpenAIProvider, entry: ModelEntry, fault: str
) -> None:
    asked = replace(entry, model=f"sim-tokens=40,rate=200,fault={fault}")
    parts, error = await read(provider.stream(asked, PROMPT))
    assert error is not None
    assert error.retryable
    (handle,) = [part.handle for part in parts if isinstance(part, Handle)]
    assert text_of((await read(provider.reattach(asked, handle)))[0]) == "".join(corpus.tokens(40, 0, False))


async def test_a_run_that_fails_leaves_nothing_to_go_back_to(provider: OpenAIProvider, entry: ModelEntry) -> None:
    parts, error = await read(provider.stream(replace(entry, model="sim-tokens=10,fault=failed"), PROMPT))
    assert isinstance(error, ProviderUnavailable)
    assert parts[-1] == Handle("")


async def test_without_background_mode_nothing_is_kept(
    simulator: Simulator, provider: OpenAIProvider, entry: ModelEntry
) -> None:
    parts, _ = await read(provider.stream(replace(entry, model="sim-tokens=5", options={}), PROMPT))
    assert not [part for part in parts if isinstance(part, Handle)]
    assert simulator.exchanges[0].body["store"] is False
    assert "background" not in simulator.exchanges[0].body


async def test_the_simulator_goes_on_after_any_event(
    simulator: Simulator, provider: OpenAIProvider, entry: ModelEntry
) -> None:
    """As the vendor does, which is asked here without our reader."""
    handle = await leave_after(provider.stream(replace(entry, model="sim-tokens=20,rate=200"), PROMPT), 4)
    async with openai.AsyncOpenAI(api_key="k", base_url=simulator.openai_url, max_retries=0) as client:
        stream = await client.responses.retrieve(handle, stream=True, starting_after=5)
        numbers = [event.sequence_number async for event in stream]
    assert numbers == list(range(6, 23))
