"""Other people's clients of OpenAI's API, as their users would run them: told nothing but our address and a key."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.acceptance.program_site import TIMEOUT_S, Site

QUESTION = "Go on, please."


#: `ask(site, model, is_streamed)` gives the text of the answer.
Ask = Callable[[Site, str, bool], str]


def _messages() -> list[Any]:
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]


def openai_sync(site: Site, model: str, is_streamed: bool) -> str:
    with site.openai() as client:
        if not is_streamed:
            answer = client.chat.completions.create(model=model, messages=_messages())
            assert answer.choices[0].finish_reason == "stop"
            assert answer.usage is not None
            assert answer.usage.completion_tokens > 0
            return str(answer.choices[0].message.content)
        stream = client.chat.completions.create(
            model=model, messages=_messages(), stream=True, stream_options={"include_usage": True}
        )
        return folded(list(stream))


def openai_async(site: Site, model: str, is_streamed: bool) -> str:
    async def ask() -> str:
        async with AsyncOpenAI(base_url=site.base_url, api_key=site.key, max_retries=0, timeout=TIMEOUT_S) as client:
            if not is_streamed:
                answer = await client.chat.completions.create(model=model, messages=_messages())
                return str(answer.choices[0].message.content)
            stream = await client.chat.completions.create(
                model=model, messages=_messages(), stream=True, stream_options={"include_usage": True}
            )
            return folded([chunk async for chunk in stream])

    return asyncio.run(ask())


def folded(chunks: list[Any]) -> str:
    """The text of a stream that is as OpenAI's own: one id, a role first, one reason, the usage last."""
    *said, counted = chunks
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert said[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in said if chunk.choices[0].finish_reason] == ["stop"]
    assert said[-1].choices[0].finish_reason == "stop"
    assert (counted.choices, counted.usage.completion_tokens > 0) == ([], True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in said)


def pydantic_ai(site: Site, model: str, is_streamed: bool) -> str:
    async def ask() -> str:
        provider = OpenAIProvider(base_url=site.base_url, api_key=site.key)
        async with provider.client:
            agent = Agent(OpenAIChatModel(model, provider=provider), instructions="Be brief.")
            if not is_streamed:
                return str((await agent.run(QUESTION)).output)
            async with agent.run_stream(QUESTION) as answer:
                return "".join([text async for text in answer.stream_text(delta=True, debounce_by=None)])

    return asyncio.run(ask())


def llm(site: Site, model: str, is_streamed: bool) -> str:
    words = ["openai", "endpoint", site.base_url, "-m", model, "--key", site.key, "-s", "Be brief.", QUESTION]
    run = subprocess.run(
        [sys.executable, "-m", "llm", *words, *([] if is_streamed else ["--no-stream"])],
        env={**os.environ, "LLM_USER_PATH": str(site.folder)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout.removesuffix("\n")


CLIENTS: dict[str, Ask] = {
    "openai": openai_sync,
    "openai-async": openai_async,
    "llm": llm,
    "pydantic-ai": pydantic_ai,
}
