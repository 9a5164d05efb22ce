"""What both real SDKs send of a conversation's beginning, and what comes back of it, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from streaming import providers
from streaming.prompt import Prompt, PromptMessage
from streaming.providers.base import ModelEntry, Usage
from streaming.providers.openai import chat_request, response_request
from tests.simulator import Simulator

TALK = Prompt(
    (PromptMessage("user", "one " * 1500), PromptMessage("assistant", "two"), PromptMessage("user", "three")),
    system="be brief " * 600,
    cache_key="1b4e28ba-2fa1-41d2-883f-0016d3cca427",
)
MARK = {"type": "ephemeral"}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator
        await providers.aclose_all()


async def asked(simulator: Simulator, entry: ModelEntry, prompt: Prompt) -> dict[str, Any]:
    """The body of the request; the answer must tell what was remembered."""
    parts = [part async for part in providers.get_provider(entry).stream(entry, prompt)]
    assert [part.cached_tokens for part in parts if isinstance(part, Usage)] == [3]
    return dict(simulator.exchanges[-1].body)


def claude(simulator: Simulator, **options: Any) -> ModelEntry:
    return ModelEntry(
        "m", "M", "anthropic", "sim-tokens=3", base_url=simulator.base_url, api_key="key", options=options
    )


async def test_claude_is_told_up_to_where_to_remember(simulator: Simulator) -> None:
    body = await asked(simulator, claude(simulator), TALK)
    assert body["system"] == [{"type": "text", "text": TALK.system, "cache_control": MARK}]
    first, answer, question = body["messages"]
    assert [first["content"][0]["cache_control"], question["content"][0]["cache_control"]] == [MARK, MARK]
    assert answer["content"] == "two"


async def test_claude_is_not_told_so_for_what_is_short_or_asked_once_or_unwanted(simulator: Simulator) -> None:
    short = Prompt((PromptMessage("user", "Hello"),), system="Be brief.", cache_key="c")
    for entry, prompt in (
        (claude(simulator), short),
        (claude(simulator), replace(TALK, cache_key="")),
        (claude(simulator, prompt_cache=False), TALK),
        (claude(simulator, cache_min_tokens=4096), TALK),
    ):
        assert "cache_control" not in str(await asked(simulator, entry, prompt))


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_openai_gets_the_key_and_a_server_of_ones_own_only_if_it_knows_it(
    simulator: Simulator, dialect: str
) -> None:
    entry = ModelEntry("m", "M", "openai", "sim-tokens=3", dialect=dialect, base_url=simulator.openai_url, api_key="k")
    assert "prompt_cache_key" not in await asked(simulator, entry, TALK)
    knowing = replace(entry, options={"prompt_cache": True})
    assert (await asked(simulator, knowing, TALK))["prompt_cache_key"] == TALK.cache_key
    assert "prompt_cache_key" not in await asked(simulator, knowing, replace(TALK, cache_key=""))


def test_openai_itself_gets_the_key() -> None:
    entry = ModelEntry("m", "M", "openai", "gpt", api_key="k")
    assert [ask(entry, TALK)["prompt_cache_key"] for ask in (chat_request, response_request)] == [TALK.cache_key] * 2
