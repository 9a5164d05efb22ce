"""The three ways of `/v1/chat/stream`: the same events, in the pieces that the program wants."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from chat.api.models import ApiRequest
from streaming import database
from streaming.errors import ProviderRejected
from streaming.models import Generation
from streaming.providers.base import Finish, Part, Text, Usage
from tests.engine import ScriptedProvider, until
from tests.integration.api.events import Event, Reader
from tests.integration.api.program import HELLO, Program

ASKED = {"model": "scripted", "messages": HELLO}
ANSWER: list[Part | Exception] = [Text("Good day. How "), Text("are you?"), Usage(3, 4, 1), Finish("length")]


async def over_http(program: Program, path: str, body: dict[str, Any]) -> tuple[list[Event], list[str]]:
    """The events of a response, and its comments."""
    async with program.http.stream("POST", path, json=body) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["x-accel-buffering"] == "no"
        if path.endswith("json"):
            lines = [json.loads(line) async for line in response.aiter_lines() if line]
            return [Event(line["type"], line) for line in lines], []
        reader = Reader(response)
        return await reader.all(), reader.comments


async def over_socket(program: Program, body: dict[str, Any], **options: Any) -> tuple[list[dict[str, Any]], int]:
    """The events, and the code of the close."""
    url = f"ws://{program.server.address}/v1/chat/ws"
    async with connect(url, proxy=None, **options) as socket:
        await socket.send(json.dumps(body))
        events: list[dict[str, Any]] = []
        with suppress(ConnectionClosedError):  # whatever code is not 1000
            async for text in socket:
                events.append(json.loads(text))
    assert socket.close_code is not None
    return events, socket.close_code


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["text"] for event in events if event["type"] == "text")


def check(events: list[dict[str, Any]]) -> None:
    assert events[0]["type"] == "stream_start"
    assert text_of(events) == "Good day. How are you?"
    end = events[-1]
    assert (end["type"], end["finish_reason"]) == ("stream_end", "length")
    assert end["usage"]["total_tokens"] == 7
    assert end["usage"]["prompt_tokens_details"]["cached_tokens"] == 1
    assert end["metrics"]["duration_ms"] >= end["metrics"]["first_text_ms"] >= 0


async def test_the_three_ways_tell_the_same(program: Program, provider: ScriptedProvider) -> None:
    provider.answers += [list(ANSWER), list(ANSWER), list(ANSWER)]
    events, _ = await over_http(program, "/v1/chat/stream", ASKED)
    assert events[-1].data == "[DONE]"
    assert [event.name for event in events[:-1]] == [event.data["type"] for event in events[:-1]]
    check([event.data for event in events[:-1]])
    lines, _ = await over_http(program, "/v1/chat/stream/json", ASKED)
    check([line.data for line in lines])
    told, code = await over_socket(program, ASKED, additional_headers=program.headers)
    check(told)
    assert code == 1000


@pytest.mark.parametrize(
    ("buffer", "pieces"),
    [
        ({"by": "word"}, ["Good ", "day. ", "How ", "are ", "you?"]),
        ({"by": "sentence"}, ["Good day. ", "How are you?"]),
        ({"by": "size", "size": 8}, ["Good day", ". How ar", "e you?"]),
        ({"by": "interval", "interval_ms": 10_000}, ["Good day. How are you?"]),
    ],
)
async def test_text_comes_in_the_pieces_that_were_asked_for(
    program: Program, provider: ScriptedProvider, buffer: dict[str, Any], pieces: list[str]
) -> None:
    provider.answers.append(list(ANSWER))
    events, _ = await over_http(program, "/v1/chat/stream/json", {**ASKED, "buffer": buffer})
    assert [event.data["text"] for event in events if event.name == "text"] == pieces


async def test_nothing_is_kept_longer_than_its_interval(program: Program, provider: ScriptedProvider) -> None:
    body = {**ASKED, "buffer": {"by": "sentence", "interval_ms": 20}}
    async with program.http.stream("POST", "/v1/chat/stream/json", json=body) as response:
        lines = response.aiter_lines()
        call = await provider.call()
        call.say("No end in sight")
        while True:  # without the interval it would wait for the end, which does not come
            line = await anext(lines)
            if line and json.loads(line)["type"] == "text":
                break
        call.finish()


@pytest.mark.parametrize("path", ["/v1/chat/stream", "/v1/chat/stream/json", "socket"])
async def test_a_failure_is_the_last_event(program: Program, provider: ScriptedProvider, path: str) -> None:
    provider.answers.append([ProviderRejected("The key is wrong.", code="bad_key")])
    if path == "socket":
        events, _ = await over_socket(program, {**ASKED, "api_key": program.token})
    else:
        events = [event.data for event in (await over_http(program, path, ASKED))[0]]
    if path.endswith("stream"):
        assert events.pop() == "[DONE]"
    assert events[-1]["type"] == "error"
    assert (events[-1]["code"], events[-1]["retryable"]) == ("bad_key", False)
    assert "retry_after_seconds" in events[-1]


WRONG: dict[str, tuple[Any, str]] = {
    "no key": ({**ASKED, "api_key": None}, "missing_api_key"),
    "wrong key": ({**ASKED, "api_key": "sk-chat-x"}, "invalid_api_key"),
    "unknown model": ({**ASKED, "model": "gpt-9"}, "unknown_model"),
    "no messages": ({**ASKED, "messages": []}, "invalid_value"),
    "tools": ({**ASKED, "tools": [1]}, "unsupported_parameter"),
    "unknown buffer": ({**ASKED, "buffer": {"by": "page"}}, "invalid_value"),
    "a list": ([1], "invalid_json"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_request_over_a_socket_is_refused(program: Program, wrong: str) -> None:
    body, code = WRONG[wrong]
    asked = {"api_key": program.token, **body} if isinstance(body, dict) else body
    events, closed = await over_socket(program, asked)
    assert [(event["type"], event["code"]) for event in events] == [("error", code)]
    assert closed == 4400
    assert await database.call(Generation.objects.count) == 0


async def test_a_socket_that_closes_ends_its_answer(
    program: Program, provider: ScriptedProvider, settings: Any
) -> None:
    settings.API = {"grace_s": 0.05}
    url = f"ws://{program.server.address}/v1/chat/ws"
    async with connect(url, proxy=None, additional_headers=program.headers) as socket:
        await socket.send(json.dumps(ASKED))
        call = await provider.call()
        call.say("Good ")
        assert json.loads(await socket.recv())["type"] == "stream_start"

    async def stopped() -> bool:
        return await database.call(Generation.objects.filter(stop_requested_at__isnull=False).exists)

    await until(stopped)
    assert (await database.call(ApiRequest.objects.get)).left_at is not None
