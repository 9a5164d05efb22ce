"""Claude, through Anthropic's SDK (Messages API)."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import anthropic
import httpx2

from streaming.cache_points import CachePoints, cache_points
from streaming.conf import StreamingSettings
from streaming.errors import ProviderError
from streaming.prompt import Prompt
from streaming.providers.base import ModelEntry, Part, Reasoning, Usage
from streaming.providers.event_stream import Event, read_parts, text
from streaming.providers.refusals import harmless, refusal, status_code
from streaming.providers.transport import http_client, timeouts, unreadable

logger = logging.getLogger(__name__)
# At DEBUG the SDK logs whole requests, prompts included.
logging.getLogger("anthropic").setLevel(logging.INFO)

BASE_URL = "https://api.anthropic.com"

#: Nothing shorter is remembered, by some models nothing below 4,096; a mark that comes too early costs nothing.
CACHE_MIN_TOKENS = 1024

REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}

COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")

#: `error.details.error_code` and `error.type` to our codes; of the two the former is more exact. Words that say no more
#: than the status (`api_error`, `invalid_request_error`) are left to it.
WORDS = {
    "enforced_spend_limit_reached": "spend_limit",
    "contract_spend_limit_reached": "spend_limit",
    "linked_organization_spend_limit_reached": "spend_limit",
    "linked_organization_billing_unavailable": "spend_limit",
    "billing_error": "spend_limit",
    "ramp_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "organization_on_hold": "not_permitted",
    "permission_error": "not_permitted",
    "authentication_error": "bad_key",
    "not_found_error": "model_not_found",
    "request_body_too_large_after_decoding": "context_too_long",
    "request_too_large": "context_too_long",
    "timeout_error": "provider_timeout",
    "overloaded_error": "overloaded",
}

#: These have no word of their own, only `invalid_request_error` and a sentence.
SENTENCES = {
    "prompt is too long": "context_too_long",
    "exceed context limit": "context_too_long",
    "credit balance is too low": "spend_limit",
}


def open_provider(entry: ModelEntry, settings: StreamingSettings) -> AnthropicProvider:
    """A connection to the address and account of `entry`."""
    client = anthropic.AsyncAnthropic(
        api_key=entry.api_key,
        base_url=entry.base_url or BASE_URL,
        max_retries=0,
        timeout=timeouts(settings),
        http_client=http_client(settings, anthropic.DefaultAioHttpClient),
    )
    return AnthropicProvider(client)


class AnthropicProvider:
    def __init__(self, client: anthropic.AsyncAnthropic) -> None:
        self._client = client

    def stream(self, entry: ModelEntry, prompt: Prompt) -> AsyncGenerator[Part]:
        async def send() -> httpx2.Response:
            raw = await self._client.messages.with_raw_response.create(stream=True, **request(entry, prompt))
            response: httpx2.Response = raw.http_response
            return response

        return read_parts(send, MessageReader(), translate)

    async def aclose(self) -> None:
        await self._client.close()


class MessageReader:
    def __init__(self) -> None:
        self.complete = False
        self.reason = "stop"
        self._counts = dict.fromkeys(COUNTS, 0)

    def read(self, event: Event) -> Part | None:
        kind = event["type"]
        # Once per token: text comes first.
        if kind == "content_block_delta":
            delta = event["delta"]
            if delta["type"] == "text_delta":
                return text(delta["text"])
            return Reasoning(delta.get("thinking") or "")
        return self._read_rare(kind, event)

    def usage(self) -> Usage:
        # `input_tokens` leaves out what was read from or written to the cache; ours is the whole prompt.
        read, written = self._counts["cache_read_input_tokens"], self._counts["cache_creation_input_tokens"]
        return Usage(self._counts["input_tokens"] + read + written, self._counts["output_tokens"], read)

    def _read_rare(self, kind: str, event: Event) -> Part | None:
        if kind == "content_block_start":
            # Empty at Anthropic; a server that imitates it may put the first piece here.
            block = event["content_block"]
            return (text(block["text"]) if block["text"] else None) if block["type"] == "text" else Reasoning()
        if kind == "message_start":
            self._count(event["message"].get("usage"))
        elif kind == "message_delta":
            self._count(event.get("usage"))
            if stop := event["delta"].get("stop_reason"):
                self.reason = REASONS.get(stop, stop)
        elif kind == "message_stop":
            self.complete = True
        elif kind == "error":
            raise failed(event.get("error"))
        return None

    def _count(self, usage: dict[str, int | None] | None) -> None:
        """Counts are cumulative; a count that an event leaves out stays."""
        for name in COUNTS:
            if (count := (usage or {}).get(name)) is not None:
                self._counts[name] = count


def request(entry: ModelEntry, prompt: Prompt) -> dict[str, Any]:
    """What the vendor is asked. No temperature and its like: current Claude models refuse them. `options.prompt_cache`
    false: nothing is marked to be remembered; `options.cache_min_tokens` is the model's own minimum for that."""
    min_tokens = int(entry.options.get("cache_min_tokens", CACHE_MIN_TOKENS))
    points = cache_points(prompt, min_tokens) if entry.options.get("prompt_cache", True) else CachePoints()
    asked: dict[str, Any] = {
        "model": entry.model,
        "max_tokens": min(entry.max_tokens, prompt.max_tokens),
        "messages": [
            {"role": message.role, "content": _content(message.text, place in points.messages)}
            for place, message in enumerate(prompt.messages)
        ],
    }
    if prompt.sampling.stop:
        asked["stop_sequences"] = list(prompt.sampling.stop)
    return {**asked, "system": _content(prompt.system, points.system)} if prompt.system else asked


def _content(text: str, is_remembered: bool) -> str | list[dict[str, Any]]:
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}] if is_remembered else text


def translate(error: Exception) -> ProviderError:
    """Our error for anything that the SDK, httpx2 or the JSON underneath raised."""
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, anthropic.APIStatusError):
        return _judge(
            [error.error_code, error.type],
            error.api_message,
            status_code(error.status_code),
            status=error.status_code,
            request_id=harmless(error.request_id),
            headers=error.response.headers,
        )
    if isinstance(error, anthropic.APIConnectionError):
        return unreadable(error.__cause__)
    return unreadable(error)


def failed(error: Any) -> ProviderError:
    """The error of an `error` event inside a stream."""
    error = error if isinstance(error, dict) else {}
    details = error.get("details")
    words = [details.get("error_code") if isinstance(details, dict) else None, error.get("type")]
    fallback = "bad_request" if words[1] == "invalid_request_error" else "provider_failed"
    return _judge(words, error.get("message"), fallback, status=200)


def _judge(
    words: list[Any],
    message: object,
    fallback: str,
    *,
    status: int,
    request_id: str = "",
    headers: Mapping[str, str] | None = None,
) -> ProviderError:
    shown = [harmless(word) for word in words]
    logger.warning("anthropic refused: status=%s words=%s request=%s", status, shown, request_id)
    known = next((WORDS[word] for word in shown if word in WORDS), None)
    return refusal(known or _sentence(message) or fallback, headers)


def _sentence(message: object) -> str | None:
    text = message.lower() if isinstance(message, str) else ""
    return next((code for part, code in SENTENCES.items() if part in text), None)
