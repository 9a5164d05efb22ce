"""The same key, or the same question, several times at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chat.api.models import ApiRequest
from streaming import database
from streaming.models import Generation
from tests.engine import ScriptedProvider, until
from tests.integration.api.program import HELLO, Program

BODY = {"model": "scripted", "messages": HELLO, "stream": True}


async def test_questions_beyond_the_limit_are_refused_before_they_are_accepted(
    program: Program, provider: ScriptedProvider, settings: Any
) -> None:
    settings.API = {"streams_per_key": 2}

    async def ask() -> int:
        async with program.http.stream("POST", "/v1/chat/completions", json=BODY) as response:
            if response.status_code == 200:
                await held.wait()
            return response.status_code

    held = asyncio.Event()
    asking = [asyncio.create_task(ask()) for _ in range(12)]
    try:
        await until(lambda: _refused(asking, 10))
        assert await database.call(Generation.objects.count) == 2
    finally:
        held.set()
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def _refused(asking: list[asyncio.Task[int]], count: int) -> bool:
    return [task.result() for task in asking if task.done()].count(429) == count


async def _left() -> bool:
    return await database.call(ApiRequest.objects.filter(left_at__isnull=False).exists)


async def _readers(count: int) -> bool:
    return await database.call(ApiRequest.objects.filter(readers=count).exists)


async def test_a_first_connection_that_dies_late_takes_nothing_from_the_second(
    program: Program, provider: ScriptedProvider, settings: Any
) -> None:
    """As with a client that gave up on its connection and asked again, before the server noticed."""
    settings.API = {"grace_s": 0.05}
    named = {"headers": {"Idempotency-Key": "once"}, "json": BODY}
    async with program.http.stream("POST", "/v1/chat/completions", **named) as second:
        call = await provider.call()
        async with program.http.stream("POST", "/v1/chat/completions", **named) as first:
            assert first.headers["x-stream-id"] == second.headers["x-stream-id"]
        await until(lambda: _readers(1))
        await asyncio.sleep(0.3)  # much longer than it would take to stop the answer
        assert not await _left()
        call.say("Good day.")
        call.finish()
        assert "[DONE]" in "".join([text async for text in second.aiter_text()])


async def test_when_the_last_connection_is_gone_it_stops(
    program: Program, provider: ScriptedProvider, settings: Any
) -> None:
    settings.API = {"grace_s": 0.05}
    named = {"headers": {"Idempotency-Key": "once"}, "json": BODY}
    for _ in range(2):
        async with program.http.stream("POST", "/v1/chat/completions", **named) as response:
            assert response.status_code == 200

    async def stopped() -> bool:
        return await database.call(Generation.objects.filter(stop_requested_at__isnull=False).exists)

    await until(stopped)


@pytest.mark.parametrize("same", [True, False], ids=["the same", "another body"])
async def test_one_name_for_questions_at_the_same_time(
    program: Program, provider: ScriptedProvider, same: bool
) -> None:
    async def ask(number: int) -> tuple[int, str]:
        body = {**BODY, "background": True, "max_tokens": 5 if same else 5 + number}
        options = {"headers": {"Idempotency-Key": "once"}, "json": body}
        async with program.http.stream("POST", "/v1/chat/completions", **options) as response:
            return response.status_code, response.headers.get("x-stream-id", "")

    told = await asyncio.gather(*(ask(number) for number in range(6)))
    assert await database.call(Generation.objects.count) == 1
    assert len({stream for status, stream in told if status == 200}) == 1
    assert sorted(status for status, _ in told) == ([200] * 6 if same else [200] + [409] * 5)
