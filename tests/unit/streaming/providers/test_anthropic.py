from typing import Any

import pytest

from streaming.errors import ProviderError
from streaming.prompt import Prompt, PromptMessage
from streaming.providers.anthropic import MessageReader, request
from streaming.providers.base import ModelEntry, Reasoning, Text, Usage

ENTRY = ModelEntry("claude", "Claude", "anthropic", "claude-x", max_tokens=1000)
PROMPT = Prompt((PromptMessage("user", "hi"), PromptMessage("assistant", "yes?"), PromptMessage("user", "why?")))


def delta(**fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": fields}


def test_the_prompt_is_spelled_for_the_vendor() -> None:
    assert request(ENTRY, PROMPT) == {
        "model": "claude-x",
        "max_tokens": 1000,
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "yes?"},
            {"role": "user", "content": "why?"},
        ],
    }


def test_the_smaller_bound_of_prompt_and_model_counts() -> None:
    assert request(ENTRY, Prompt(PROMPT.messages, max_tokens=10))["max_tokens"] == 10


def test_the_system_text_has_its_own_place() -> None:
    assert request(ENTRY, Prompt(PROMPT.messages, system="Be kind."))["system"] == "Be kind."


def test_text_and_thoughts_are_told_apart() -> None:
    reader = MessageReader()
    assert reader.read(delta(type="text_delta", text="a")) == Text("a")
    assert reader.read(delta(type="thinking_delta", thinking="hm")) == Reasoning("hm")
    assert reader.read(delta(type="signature_delta", signature="x")) == Reasoning("")
    assert (
        reader.read({"type": "content_block_start", "content_block": {"type": "thinking", "thinking": ""}})
        == Reasoning()
    )


def test_a_first_piece_in_the_blocks_start_is_not_lost() -> None:
    reader = MessageReader()
    assert reader.read({"type": "content_block_start", "content_block": {"type": "text", "text": "a"}}) == Text("a")
    assert reader.read({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}) is None


def test_only_message_stop_is_the_end() -> None:
    reader = MessageReader()
    reader.read({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}})
    assert not reader.complete
    reader.read({"type": "message_stop"})
    assert reader.complete


def test_cached_tokens_are_part_of_the_prompts_and_counts_are_cumulative() -> None:
    reader = MessageReader()
    first = {"input_tokens": 10, "cache_read_input_tokens": 200, "cache_creation_input_tokens": 30, "output_tokens": 1}
    reader.read({"type": "message_start", "message": {"usage": first}})
    reader.read({"type": "message_delta", "delta": {}, "usage": {"input_tokens": None, "output_tokens": 42}})
    assert reader.usage() == Usage(240, 42, 200)


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_the_reason_of_the_end_is_neutral_where_it_can_be(stop: str, reason: str) -> None:
    reader = MessageReader()
    reader.read({"type": "message_delta", "delta": {"stop_reason": stop}})
    assert reader.reason == reason


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"type": "overloaded_error", "message": "x"}, "overloaded"),
        ({"type": "api_error"}, "provider_failed"),
        ({"type": "rate_limit_error"}, "rate_limited"),
        ({"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}}, "spend_limit"),
        ({"type": "rate_limit_error", "details": "none"}, "rate_limited"),
        ({"type": "invalid_request_error"}, "bad_request"),
        ({"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}, "context_too_long"),
        ({"type": "invalid_request_error", "message": "Your credit balance is too low"}, "spend_limit"),
        ({"type": "something new"}, "provider_failed"),
        ({"type": ["strange"]}, "provider_failed"),
        ("a string", "provider_failed"),
        (None, "provider_failed"),
    ],
)
def test_an_error_inside_the_stream_has_a_code(error: object, code: str) -> None:
    with pytest.raises(ProviderError) as caught:
        MessageReader().read({"type": "error", "error": error})
    assert caught.value.code == code
