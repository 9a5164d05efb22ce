from __future__ import annotations

import json
from typing import Any

from chat.api import openai_format
from chat.api.openai_format import ChatFormat
from streaming.errors import StreamingError
from streaming.events import Completed, Position, Queued

ENDED = Completed(
    generation="g", position=Position(1, 9), bytes=2, sha256="", reason="tool_use", input_tokens=5, output_tokens=7
)


def parsed(event: str) -> Any:
    assert event.startswith("data: ")
    assert event.endswith("\n\n")
    assert event.count("\n") == 2
    return json.loads(event[6:])


def test_all_chunks_of_an_answer_carry_the_same_head() -> None:
    written = ChatFormat("ab-cd", 17, "demo", include_usage=True)
    chunks = [parsed(event) for event in (written.role(), written.text("Hi"), written.finish(ENDED))]
    assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks} == {("chatcmpl-abcd", 17, "demo")}
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": ""}, {"content": "Hi"}, {},
    ]  # fmt: skip
    assert all(chunk["usage"] is None for chunk in chunks)


def test_a_reason_that_openai_does_not_know_is_an_ordinary_end() -> None:
    assert parsed(ChatFormat("g", 1, "demo").finish(ENDED))["choices"][0]["finish_reason"] == "stop"


def test_usage_comes_only_if_it_was_asked_for() -> None:
    assert ChatFormat("g", 1, "demo").usage(ENDED, 2) == ""
    chunk = parsed(ChatFormat("g", 1, "demo", include_usage=True).usage(ENDED, 2))
    assert chunk["choices"] == []
    assert chunk["usage"]["total_tokens"] == 12
    assert chunk["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}


def test_waits_are_comments() -> None:
    queued = Queued(generation="g", reason="waiting", ahead=2, p50_s=12.4, p90_s=30.1, why="open")
    assert openai_format.waiting(queued) == ": queued waiting position=3 eta=12 eta_p90=30 why=open\n\n"


def test_an_error_is_the_object_that_the_sdk_raises() -> None:
    event = parsed(openai_format.error(StreamingError("Too slow.", code="provider_timeout"), 504))
    assert event == {
        "error": {"message": "Too slow.", "type": "server_error", "code": "provider_timeout", "param": None}
    }
