from typing import Any

import pytest

from streaming.errors import ProviderError
from streaming.prompt import Prompt, PromptMessage
from streaming.providers.base import Handle, ModelEntry, Part, Reasoning, Text, Usage
from streaming.providers.openai import ChatReader, ResponseReader, chat_request, response_request

OPENAI = ModelEntry("gpt", "GPT", "openai", "gpt-x", max_tokens=1000)
OWN = ModelEntry("own", "Own", "openai", "llama", base_url="http://127.0.0.1:8000/v1", max_tokens=1000)
PROMPT = Prompt((PromptMessage("user", "hi"),), system="Be kind.")


def choice(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def test_openai_itself_gets_its_new_name_for_the_bound() -> None:
    asked = chat_request(OPENAI, PROMPT)
    assert asked["max_completion_tokens"] == 1000
    assert asked["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert asked["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}]


def test_a_server_of_ones_own_gets_only_what_all_of_them_know() -> None:
    asked = chat_request(OWN, Prompt(PROMPT.messages, max_tokens=10))
    assert asked == {
        "model": "llama",
        "messages": [{"role": "user", "content": "hi"}],
        "stream_options": {"include_usage": True},
        "max_tokens": 10,
    }


def test_the_bounds_name_can_be_set() -> None:
    entry = ModelEntry("p", "P", "openai", "m", base_url="http://h/v1", options={"max_tokens_field": "max_output"})
    assert "max_output" in chat_request(entry, PROMPT)


def test_responses_are_not_stored_at_the_vendor() -> None:
    assert response_request(OPENAI, PROMPT) == {
        "model": "gpt-x",
        "input": [{"role": "user", "content": "hi"}],
        "max_output_tokens": 1000,
        "store": False,
        "instructions": "Be kind.",
    }


def test_in_background_mode_they_are() -> None:
    entry = ModelEntry("gpt", "GPT", "openai", "gpt-x", options={"background": True})
    asked = response_request(entry, PROMPT)
    assert (asked["background"], asked["store"]) == (True, True)


@pytest.mark.parametrize(
    ("delta", "part"),
    [
        ({"content": "a"}, Text("a")),
        ({"role": "assistant", "content": ""}, None),
        ({"content": None}, None),
        ({}, None),
        ({"refusal": "no"}, Text("no")),
        ({"content": None, "reasoning_content": "hm"}, Reasoning("hm")),
        ({"content": "", "reasoning": "hm"}, Reasoning("hm")),
        ({"tool_calls": []}, None),
    ],
)
def test_chat_deltas_are_told_apart(delta: dict[str, Any], part: Part | None) -> None:
    assert ChatReader().read(choice(delta)) == part


def test_text_in_the_last_chunk_is_not_lost() -> None:
    reader = ChatReader()
    assert reader.read(choice({"content": "end"}, "length")) == Text("end")
    assert reader.complete
    assert reader.reason == "length"


def test_an_empty_finish_reason_is_none() -> None:
    reader = ChatReader()
    reader.read(choice({"content": "a"}, ""))
    assert not reader.complete


@pytest.mark.parametrize("extra", [{"choices": []}, choice({}, "stop"), {}])
def test_chat_usage_counts_wherever_it_comes(extra: dict[str, Any]) -> None:
    reader = ChatReader()
    counted = {"prompt_tokens": 12, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}}
    reader.read({**extra, "usage": counted})
    assert reader.usage() == Usage(12, 5, 3)


def test_chat_usage_may_be_missing_or_bare() -> None:
    reader = ChatReader()
    reader.read(choice({"content": "a"}) | {"usage": None})
    assert reader.usage() is None
    reader.read({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": None}})
    assert reader.usage() == Usage(1, 2, 0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "server_is_overloaded"}, "overloaded"),
        ({"type": "server_error", "code": None}, "provider_failed"),
        ({"type": "insufficient_quota", "code": None}, "spend_limit"),
        ({"code": "rate_limit_exceeded"}, "rate_limited"),
        ({"code": "context_length_exceeded"}, "context_too_long"),
        ({"type": "invalid_request_error"}, "bad_request"),
        ({"type": "BadRequestError", "code": 400}, "bad_request"),
        ({"code": "503"}, "overloaded"),
        ({"code": 429, "type": "whatever"}, "rate_limited"),
        ({"code": 5}, "provider_failed"),
        ("a string", "provider_failed"),
    ],
)
def test_an_error_inside_a_chat_stream_has_a_code(error: object, code: str) -> None:
    with pytest.raises(ProviderError) as caught:
        ChatReader().read({"error": error, **choice({"content": ""}, "error")})
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("event", "part"),
    [
        ({"type": "response.output_text.delta", "delta": "a"}, Text("a")),
        ({"type": "response.refusal.delta", "delta": "no"}, Text("no")),
        ({"type": "response.reasoning_summary_text.delta", "delta": "hm"}, Reasoning("hm")),
        ({"type": "response.reasoning_text.delta", "delta": "hm"}, Reasoning("hm")),
        ({"type": "response.output_text.done", "text": "a"}, None),
        ({"type": "response.created", "response": {}}, None),
        ({"type": "response.unheard_of"}, None),
    ],
)
def test_response_events_are_told_apart(event: dict[str, Any], part: Part | None) -> None:
    assert ResponseReader().read(event) == part


@pytest.mark.parametrize(
    ("kind", "details", "reason"),
    [
        ("completed", None, "stop"),
        ("incomplete", {"reason": "max_output_tokens"}, "length"),
        ("incomplete", {"reason": "content_filter"}, "content_filter"),
        ("incomplete", None, "length"),
    ],
)
def test_completed_and_incomplete_are_ends(kind: str, details: dict[str, str] | None, reason: str) -> None:
    reader = ResponseReader()
    usage = {"input_tokens": 12, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 3}}
    response = {"status": kind, "incomplete_details": details, "usage": usage}
    assert reader.read({"type": f"response.{kind}", "response": response}) is None
    assert (reader.complete, reader.reason, reader.usage()) == (True, reason, Usage(12, 5, 3))


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "x"}, "rate_limited"),
        ({"type": "error", "code": None, "message": "x"}, "provider_failed"),
        ({"type": "error", "error": {"type": "server_error", "code": "server_is_overloaded"}}, "overloaded"),
        ({"type": "response.failed", "response": {"error": {"code": "server_error"}}}, "provider_failed"),
        ({"type": "response.failed", "response": {"error": {"code": "invalid_prompt"}}}, "prompt_refused"),
        ({"type": "response.failed", "response": {"error": None}}, "provider_failed"),
    ],
)
def test_failed_and_error_events_raise_though_the_sdk_lets_them_pass(event: dict[str, Any], code: str) -> None:
    with pytest.raises(ProviderError) as caught:
        ResponseReader().read(event)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("id", "part"), [("resp_1", Handle("resp_1")), ("r" * 201, None), ("", None), (None, None), (7, None)]
)
def test_only_an_id_that_the_row_can_keep_is_a_handle(id: object, part: Part | None) -> None:
    created = {"type": "response.created", "response": {"id": id}}
    assert ResponseReader(is_kept=True).read(created) == part
    assert ResponseReader().read(created) is None
