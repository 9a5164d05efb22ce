from __future__ import annotations

import asyncio

import openai
import pytest

from streaming.providers.base import Usage
from tests.engine import ScriptedProvider
from tests.integration.api.program import HELLO, Program


async def test_the_sdk_reads_a_whole_answer(program: Program, provider: ScriptedProvider) -> None:
    asking = program.sdk.chat.completions.create(model="scripted", messages=HELLO)  # type: ignore[arg-type]
    task = asyncio.create_task(asking)
    call = await provider.call()
    call.say("Good ", "day.")
    call.send(Usage(3, 4, 1))
    call.finish("length")
    answer = await task
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("Good day.", "length")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 4, 7)
    assert call.prompt.messages[-1].text == "Hello?"


async def test_the_sdk_reads_a_stream(program: Program, provider: ScriptedProvider) -> None:
    stream = await program.sdk.chat.completions.create(
        model="scripted",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},  # type: ignore[arg-type]
    )
    call = await provider.call()
    call.say("Good ", "day.")
    call.send(Usage(3, 4, 1))
    call.finish()
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Good day."
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert not chunks[-1].choices
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens_details is not None
    assert (chunks[-1].usage.total_tokens, chunks[-1].usage.prompt_tokens_details.cached_tokens) == (7, 1)
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1


async def test_a_key_that_is_none_is_the_sdks_own_error(program: Program) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        await program.make_sdk(api_key="sk-chat-wrong").models.list()
    assert refused.value.code == "invalid_api_key"
    assert [model.id async for model in program.sdk.models.list()] == ["scripted"]
