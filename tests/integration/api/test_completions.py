"""`/v1/chat/completions` with OpenAI's own SDK against a server and a worker."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest

from chat.api.models import ApiRequest
from streaming import database
from streaming.errors import ProviderError, ProviderRejected, ProviderTimeout
from streaming.models import Generation, TokenReservation
from streaming.prompt import PromptMessage
from streaming.providers.base import Finish, Part, Text, Usage
from tests.engine import Change, Engine, ScriptedProvider, row, until
from tests.integration.api.program import HELLO, Program

ANSWER: list[Part | Exception] = [Text("Good "), Text("day."), Usage(3, 4, 1), Finish("stop")]


async def create(program: Program, **fields: Any) -> Any:
    return await program.sdk.chat.completions.create(**{"model": "scripted", "messages": HELLO, **fields})


async def raw(program: Program, **fields: Any) -> str:
    body = {"model": "scripted", "messages": HELLO, "stream": True, **fields}
    return (await program.http.post("/v1/chat/completions", json=body)).text


async def test_the_sdk_reads_a_whole_answer(program: Program, provider: ScriptedProvider) -> None:
    provider.answers.append([Text("Good day."), Usage(3, 4, 1), Finish("length")])
    answer = await create(program)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Good day.", "length")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 4, 7)
    assert answer.usage.prompt_tokens_details.cached_tokens == 1


async def test_the_sdk_reads_a_stream(program: Program, provider: ScriptedProvider) -> None:
    provider.answers.append(list(ANSWER))
    stream = await create(program, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Good day."
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert not chunks[-1].choices
    assert (chunks[-1].usage.total_tokens, chunks[-1].usage.prompt_tokens_details.cached_tokens) == (7, 1)
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1


async def test_a_stream_holds_only_what_the_sdk_can_read(program: Program, provider: ScriptedProvider) -> None:
    """No `id:`, `retry:` or `event:` line, no empty `data:`; comments stand alone; `[DONE]` is the last one."""
    provider.answers.append(list(ANSWER))
    text = await raw(program)
    events = text.removesuffix("\n\n").split("\n\n")
    assert events[-1] == "data: [DONE]"
    for event in events:
        assert "\n" not in event
        assert event.startswith((": ", "data: {", "data: [DONE]"))


async def test_what_was_asked_reaches_the_model(program: Program, provider: ScriptedProvider) -> None:
    provider.answers.append(list(ANSWER))
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "kind."}]},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": "Three?"},
    ]
    await create(program, messages=messages, max_completion_tokens=7, temperature=0.5, top_p=0.9, seed=3, stop="\n\n",
                 user="somebody", store=True, n=1, presence_penalty=0, extra_body={"something_new": 1})  # fmt: skip
    prompt = (await provider.call()).prompt
    assert prompt.system == "Be brief.\n\nBe kind."
    assert prompt.messages == (
        PromptMessage("user", "One?"), PromptMessage("assistant", "Two."), PromptMessage("user", "Three?"),
    )  # fmt: skip
    assert prompt.max_tokens == 7
    assert prompt.sampling.given == {"temperature": 0.5, "top_p": 0.9, "seed": 3, "stop": ("\n\n",)}


async def test_the_prompt_is_kept_no_longer_than_it_is_needed(program: Program, provider: ScriptedProvider) -> None:
    asking = asyncio.create_task(create(program))
    call = await provider.call()
    assert (await database.call(ApiRequest.objects.get)).prompt["messages"] == [["user", "Hello?"]]
    call.finish()
    await asking
    assert (await database.call(ApiRequest.objects.get)).prompt == {}


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [(ProviderTimeout(), openai.InternalServerError, 504),
     (ProviderRejected("Too long.", code="context_too_long"), openai.BadRequestError, 400)],
)  # fmt: skip
async def test_a_failure_is_the_sdks_own_error(
    program: Program, provider: ScriptedProvider, change: Change, error: ProviderError,
    kind: type[openai.APIStatusError], status: int,
) -> None:  # fmt: skip
    change(provider_errors_max=1)
    provider.answers += [[error], [error]]
    with pytest.raises(kind) as failed:
        await create(program)
    assert (failed.value.status_code, failed.value.message.partition(" - ")[0]) == (status, f"Error code: {status}")
    assert failed.value.response.headers["x-should-retry"] == "false"
    stream = await create(program, stream=True)
    with pytest.raises(openai.APIError) as broken:
        [chunk async for chunk in stream]
    assert broken.value.code == failed.value.code


async def test_an_answer_that_breaks_off_does_not_look_like_a_whole_one(
    program: Program, provider: ScriptedProvider
) -> None:
    provider.answers.append([Text("Good "), ProviderTimeout()])
    text = await raw(program)
    assert "Good " in text
    assert json.loads(text.strip().split("\n\n")[-1].removeprefix("data: "))["error"]["code"] == "provider_timeout"
    assert "[DONE]" not in text


async def test_waiting_is_a_comment_and_the_sdk_does_not_mind(
    program: Program, provider: ScriptedProvider, engine: Engine, settings: Any
) -> None:
    """It begins after a provider's refusal; meanwhile the line's state and signs of life come as comments."""
    settings.API = {"heartbeat_s": 0.05}
    engine.broker.worker = None  # nobody works
    comments: list[str] = []
    text = ""
    body = {"model": "scripted", "messages": HELLO, "stream": True}
    async with program.http.stream("POST", "/v1/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith(":"):
                comments.append(line)
            if len(comments) == 3 and engine.broker.worker is None:
                engine.broker.worker = engine
                provider.answers.append(list(ANSWER))
                for ticket in list(engine.broker.box.values()):
                    engine.deliver(ticket)
            text += line + "\n"
    assert comments[0].startswith(": queued starting")
    assert "[DONE]" in text


async def gone(generation: str) -> bool:
    return (await row(generation)).stop_requested_at is not None


@pytest.mark.parametrize("stream", [True, False])
async def test_who_goes_away_stops_the_answer_soon_after(
    program: Program, provider: ScriptedProvider, settings: Any, stream: bool
) -> None:
    settings.API = {"grace_s": 0.05}
    asking = asyncio.create_task(raw(program, stream=stream))
    call = await provider.call()
    call.say("Good ")
    asking.cancel()
    generation = str((await database.call(Generation.objects.get)).pk)
    await until(lambda: gone(generation))
    await asyncio.wait_for(call.closed.wait(), 60)


async def test_in_the_background_it_goes_on_and_can_be_read_on(
    program: Program, provider: ScriptedProvider, settings: Any, engine: Engine
) -> None:
    settings.API = {"grace_s": 0.01}
    body = {"model": "scripted", "messages": HELLO, "stream": True, "background": True}
    async with program.http.stream("POST", "/v1/chat/completions", json=body) as response:
        generation = response.headers["x-stream-id"]
        call = await provider.call()
        call.say("Good ")
    await asyncio.sleep(0.1)
    call.say("day.")
    call.finish()
    await engine.ends(generation)
    lines = await program.http.get(f"/api/v1/streams/{generation}/events", headers={"Accept": "application/jsonl"})
    assert json.loads(lines.text.splitlines()[0])["text"] == "Good day."


async def test_who_comes_back_in_time_keeps_the_answer(
    program: Program, provider: ScriptedProvider, settings: Any
) -> None:
    settings.API = {"grace_s": 60.0}
    body = {"model": "scripted", "messages": HELLO, "stream": True}
    async with program.http.stream("POST", "/v1/chat/completions", json=body) as response:
        generation = response.headers["x-stream-id"]
    await provider.call()

    async def noticed() -> bool:
        return await database.call(ApiRequest.objects.filter(left_at__isnull=False).exists)

    await until(noticed)
    async with program.http.stream("GET", f"/api/v1/streams/{generation}/events") as response:
        assert response.status_code == 200
    # Only a row that still says when its program left is stopped.
    assert (await database.call(ApiRequest.objects.get)).left_at is None


async def test_the_same_idempotency_key_is_the_same_answer(program: Program, provider: ScriptedProvider) -> None:
    provider.answers.append(list(ANSWER))
    headers = {"Idempotency-Key": "once"}
    first, again = [await create(program, extra_headers=headers) for _ in range(2)]
    assert (first.id, first.choices[0].message.content) == (again.id, again.choices[0].message.content)
    with pytest.raises(openai.ConflictError) as refused:
        await create(program, extra_headers=headers, max_tokens=3)
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert len(provider.calls) == 1


async def test_more_answers_than_one_person_may_have_are_refused(
    program: Program, provider: ScriptedProvider, change: Change
) -> None:
    change(live_generations_per_user_max=1)
    first = asyncio.create_task(create(program))
    call = await provider.call()
    with pytest.raises(openai.RateLimitError) as refused:
        await create(program)
    assert refused.value.code == "too_many"
    call.finish()
    await first


async def test_who_may_read_no_more_streams_asks_nothing(
    program: Program, provider: ScriptedProvider, settings: Any
) -> None:
    settings.API = {"streams_per_key": 1}
    first = asyncio.create_task(create(program))
    call = await provider.call()
    with pytest.raises(openai.RateLimitError) as refused:
        await create(program)
    assert refused.value.code == "too_many_streams"
    assert await database.call(Generation.objects.count) == 1
    call.finish()
    await first


async def test_a_request_holds_of_the_budget_what_it_asks_for(
    program: Program, provider: ScriptedProvider, engine: Engine, change: Change
) -> None:
    change(user_tokens_per_day=1_000_000)
    body = {"model": "scripted", "messages": HELLO, "max_tokens": 50, "stream": True}
    async with program.http.stream("POST", "/v1/chat/completions", json=body) as response:
        call = await provider.call()
        held = await database.call(TokenReservation.objects.get)
        assert 50 < held.tokens < 100
        call.say("Tea")
        call.finish()
        await engine.ends(response.headers["X-Stream-Id"])
