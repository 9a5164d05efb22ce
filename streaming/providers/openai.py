"""OpenAI, and every server that speaks like it, through OpenAI's SDK: chat completions and responses.

Which of the two is a model's `dialect`. OpenAI itself prefers responses; vLLM, Ollama, llama.cpp and most proxies speak
chat completions.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

import httpx2
import openai

from streaming.conf import StreamingSettings
from streaming.errors import ProviderError, RunGone
from streaming.prompt import Prompt
from streaming.providers.base import HANDLE_MAX_CHARS, Handle, ModelEntry, Part, Reasoning, Usage
from streaming.providers.event_stream import Event, read_parts, text
from streaming.providers.refusals import harmless, refusal, status_code
from streaming.providers.transport import http_client, timeouts, unreadable

logger = logging.getLogger(__name__)
Send = Callable[[], Awaitable[httpx2.Response]]

BASE_URL = "https://api.openai.com/v1"

#: `finish_reason` and `incomplete_details.reason`; any other word is passed on as it is.
REASONS = {"stop": "stop", "length": "length", "max_output_tokens": "length", "content_filter": "content_filter"}

#: What a background run is refused with that cannot be read (again): unknown, or older than OpenAI keeps its events.
GONE = {400, 404, 409, 410, 422}

#: `error.code` and `error.type` of OpenAI and of servers like it to our codes. Words that say no more than the status
#: (`server_error`, `invalid_request_error`) are left to it.
WORDS = {
    "insufficient_quota": "spend_limit",
    "billing_hard_limit_reached": "spend_limit",
    "billing_not_active": "spend_limit",
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "server_is_overloaded": "overloaded",
    "overloaded_error": "overloaded",
    "slow_down": "overloaded",
    "timeout": "provider_timeout",
    "invalid_api_key": "bad_key",
    "authentication_error": "bad_key",
    "account_deactivated": "not_permitted",
    "permission_error": "not_permitted",
    "model_not_found": "model_not_found",
    "context_length_exceeded": "context_too_long",
    "string_above_max_length": "context_too_long",
    "invalid_prompt": "prompt_refused",
    "content_filter": "prompt_refused",
    "content_policy_violation": "prompt_refused",
    "bio_policy": "prompt_refused",
    "misalignment_policy_violation": "prompt_refused",
}


def open_provider(entry: ModelEntry, settings: StreamingSettings) -> OpenAIProvider:
    """A connection to the address and account of `entry`."""
    client = openai.AsyncOpenAI(
        api_key=entry.api_key,
        base_url=entry.base_url or BASE_URL,
        max_retries=0,
        timeout=timeouts(settings),
        http_client=http_client(settings, openai.DefaultAioHttpClient),
    )
    return OpenAIProvider(client)


class OpenAIProvider:
    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    def stream(self, entry: ModelEntry, prompt: Prompt) -> AsyncGenerator[Part]:
        if entry.dialect == "responses" and in_background(entry):
            return self._read_kept(lambda: self._respond(entry, prompt))
        if entry.dialect == "responses":
            return read_parts(lambda: self._respond(entry, prompt), ResponseReader(), translate)
        return read_parts(lambda: self._chat(entry, prompt), ChatReader(), translate)

    def reattach(self, entry: ModelEntry, handle: str) -> AsyncGenerator[Part]:
        return self._read_kept(lambda: self._retrieve(handle))

    async def cancel(self, entry: ModelEntry, handle: str) -> None:
        try:
            await self._client.responses.with_raw_response.cancel(handle)
        except Exception as error:
            raise translate(error) from None

    async def aclose(self) -> None:
        await self._client.close()

    async def _read_kept(self, send: Send) -> AsyncGenerator[Part]:
        """A run in background mode: it goes on whatever becomes of this connection, unless it failed by itself."""
        reader = ResponseReader(is_kept=True)
        async with aclosing(read_parts(send, reader, translate)) as parts:
            try:
                async for part in parts:
                    yield part
            except ProviderError:
                if reader.has_failed:
                    yield Handle("")
                raise

    async def _retrieve(self, handle: str) -> httpx2.Response:
        try:
            raw = await self._client.responses.with_raw_response.retrieve(handle, stream=True)
        except openai.APIStatusError as error:
            if error.status_code in GONE:
                raise RunGone from None
            raise
        response: httpx2.Response = raw.http_response
        return response

    async def _chat(self, entry: ModelEntry, prompt: Prompt) -> httpx2.Response:
        return await self._post("/chat/completions", chat_request(entry, prompt))

    async def _respond(self, entry: ModelEntry, prompt: Prompt) -> httpx2.Response:
        return await self._post("/responses", response_request(entry, prompt))

    async def _post(self, path: str, asked: dict[str, Any]) -> httpx2.Response:
        """The SDK's own methods hold each message of the prompt against their types first, on the loop of all streams:
        a millisecond for a short conversation, and more with each message."""
        body, stream = {**asked, "stream": True}, openai.AsyncStream[Any]
        answer: Any = await self._client.post(path, cast_to=httpx2.Response, body=body, stream=True, stream_cls=stream)
        response: httpx2.Response = answer
        return response


class ChatReader:
    def __init__(self) -> None:
        self.complete = False
        self.reason = "stop"
        self._usage: Usage | None = None

    def read(self, chunk: Event) -> Part | None:
        # Most servers count in a chunk without choices after the last one, some in the last one, some in each.
        if usage := chunk.get("usage"):
            self._usage = _usage(usage, "prompt_tokens", "completion_tokens")
        if error := chunk.get("error"):
            raise failed(error)
        choices = chunk.get("choices")
        if not choices:
            return None
        choice = choices[0]
        if reason := choice.get("finish_reason"):
            self.complete, self.reason = True, REASONS.get(reason, reason)
        # Once per token: text comes first. The first chunk's is empty, the last one's absent.
        delta = choice.get("delta") or {}
        content = delta.get("content")
        return text(content) if content else _read_rare(delta)

    def usage(self) -> Usage | None:
        return self._usage


class ResponseReader:
    """`is_kept`: in background mode, where the run's id is worth knowing. `has_failed`: the vendor said that it has."""

    def __init__(self, *, is_kept: bool = False) -> None:
        self.complete = False
        self.reason = "stop"
        self.has_failed = False
        self._is_kept = is_kept
        self._usage: Usage | None = None

    def read(self, event: Event) -> Part | None:
        kind = event["type"]
        # Once per token: text comes first.
        if kind == "response.output_text.delta" or kind == "response.refusal.delta":
            return text(event["delta"])
        if kind == "response.reasoning_summary_text.delta" or kind == "response.reasoning_text.delta":
            return Reasoning(event["delta"])
        if kind == "response.completed" or kind == "response.incomplete":
            self._end(event["response"])
        elif kind == "response.failed":
            self.has_failed = True
            raise failed(event["response"].get("error"))
        elif kind == "error":
            self.has_failed = True
            # OpenAI puts the words into the event itself, others into an object in it as in chat completions.
            raise failed(event.get("error") or {**event, "type": None})
        elif kind == "response.created" and self._is_kept:
            return _handle(event["response"].get("id"))
        return None

    def usage(self) -> Usage | None:
        return self._usage

    def _end(self, response: Event) -> None:
        self.complete = True
        if response.get("status") == "incomplete":
            reason = (response.get("incomplete_details") or {}).get("reason") or "length"
            self.reason = REASONS.get(reason, reason)
        if usage := response.get("usage"):
            self._usage = _usage(usage, "input_tokens", "output_tokens")


def _handle(id: object) -> Handle | None:
    return Handle(id) if isinstance(id, str) and 0 < len(id) <= HANDLE_MAX_CHARS else None


def _read_rare(delta: Event) -> Part | None:
    if refused := delta.get("refusal"):
        return text(refused)
    # Not in OpenAI's schema; the first word is vLLM's and DeepSeek's, the second one Ollama's and OpenRouter's.
    thought = delta.get("reasoning_content") or delta.get("reasoning")
    return Reasoning(thought) if thought else None


def _usage(usage: Event, asked: str, answered: str) -> Usage:
    cached = (usage.get(f"{asked}_details") or {}).get("cached_tokens")
    return Usage(usage.get(asked) or 0, usage.get(answered) or 0, cached or 0)


def chat_request(entry: ModelEntry, prompt: Prompt) -> dict[str, Any]:
    """`options.max_tokens_field` names the field that bounds the answer; without it OpenAI gets its new name, which its
    models demand, and a server of one's own the old one, which Ollama and LM Studio demand."""
    own_server = entry.base_url is not None
    field = entry.options.get("max_tokens_field", "max_tokens" if own_server else "max_completion_tokens")
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    return {
        "model": entry.model,
        "messages": [*system, *_messages(prompt)],
        # Obfuscation hides token lengths from eavesdroppers at a multiple of the bytes; others may refuse the word.
        "stream_options": {"include_usage": True} | ({} if own_server else {"include_obfuscation": False}),
        field: min(entry.max_tokens, prompt.max_tokens),
        **_remembered(entry, prompt),
        **prompt.sampling.given,
    }


def _remembered(entry: ModelEntry, prompt: Prompt) -> dict[str, str]:
    """OpenAI remembers beginnings by itself; the key brings prompts that begin alike to the same machine. Other servers
    may not know the word: `options.prompt_cache` says that they do."""
    may_cache = entry.options.get("prompt_cache", entry.base_url is None)
    return {"prompt_cache_key": prompt.cache_key} if prompt.cache_key and may_cache else {}


def in_background(entry: ModelEntry) -> bool:
    """Whether OpenAI may keep the answers of this model, so that a broken connection or worker costs none."""
    return bool(entry.options.get("background"))


def response_request(entry: ModelEntry, prompt: Prompt) -> dict[str, Any]:
    keeping = {"background": True} if in_background(entry) else {}
    asked: dict[str, Any] = {
        "model": entry.model,
        "input": _messages(prompt),
        "max_output_tokens": min(entry.max_tokens, prompt.max_tokens),
        # OpenAI keeps answers for 30 days if it is not told otherwise; in background mode it must.
        "store": in_background(entry),
        **_remembered(entry, prompt),
        **keeping,
        **prompt.sampling.given,
    }
    return {**asked, "instructions": prompt.system} if prompt.system else asked


def translate(error: Exception) -> ProviderError:
    """Our error for anything that the SDK, httpx2 or the JSON underneath raised."""
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, openai.APIStatusError):
        logger.warning("openai refused: status=%s request=%s", error.status_code, harmless(error.request_id))
        return _judge(error.code, error.type, status_code(error.status_code), error.response.headers)
    if isinstance(error, openai.APIConnectionError):
        return unreadable(error.__cause__)
    return unreadable(error)


def failed(error: Any) -> ProviderError:
    """The error of an error event inside a stream. Some servers put an HTTP status where OpenAI has a word."""
    code, kind = (error.get("code"), error.get("type")) if isinstance(error, dict) else (None, None)
    if re.fullmatch(r"[345]\d\d", str(code)):
        return _judge(None, kind, status_code(int(str(code))))
    return _judge(code, kind, "bad_request" if kind == "invalid_request_error" else "provider_failed")


def _judge(code: object, kind: object, fallback: str, headers: Mapping[str, str] | None = None) -> ProviderError:
    words = [harmless(code), harmless(kind)]
    logger.warning("openai refused: words=%s", words)
    return refusal(next((WORDS[word] for word in words if word in WORDS), fallback), headers)


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.text} for message in prompt.messages]
