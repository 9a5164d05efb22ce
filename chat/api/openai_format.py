"""Answers as OpenAI's chat completions say them. Pure."""

from __future__ import annotations

from typing import Any, Final

from chat.api import sse
from chat.api.errors import openai_error
from streaming.errors import StreamingError
from streaming.events import Ended, Queued

_REASONS: Final = frozenset({"stop", "length", "content_filter"})


class ChatFormat:
    """One answer: the same id, time and model in all of its chunks."""

    def __init__(self, generation: str, created: int, model: str, *, include_usage: bool = False) -> None:
        self._head = {"id": f"chatcmpl-{generation.replace('-', '')}", "created": created, "model": model}
        self._include_usage = include_usage

    def role(self) -> str:
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, text: str) -> str:
        return self._chunk({"content": text})

    def finish(self, ended: Ended) -> str:
        return self._chunk({}, finish_reason(ended))

    def usage(self, ended: Ended, cached_tokens: int) -> str:
        """Empty unless it was asked for."""
        if not self._include_usage:
            return ""
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": []}
        return sse.data({**chunk, "usage": usage_of(ended, cached_tokens)})

    def whole(self, text: str, ended: Ended, cached_tokens: int) -> dict[str, Any]:
        """The answer in one piece."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(ended)}
        usage = usage_of(ended, cached_tokens)
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": usage}

    def _chunk(self, delta: dict[str, str], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": [choice]}
        return sse.data({**chunk, "usage": None} if self._include_usage else chunk)


def finish_reason(ended: Ended) -> str:
    return ended.reason if ended.reason in _REASONS else "stop"


def usage_of(ended: Ended, cached_tokens: int) -> dict[str, Any]:
    asked, answered = ended.input_tokens or 0, ended.output_tokens or 0
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def error(error: StreamingError, status: int) -> str:
    """In the middle of a stream: without it, a client would take the end of the connection for the end of the text."""
    return sse.data({"error": openai_error(error, status)})


def waiting(queued: Queued) -> str:
    """A comment: every reader skips it, and people with curl see why nothing comes."""
    words = [queued.reason or "waiting"]
    if queued.ahead is not None:
        words.append(f"position={queued.ahead + 1}")
    if queued.p50_s is not None:
        words.append(f"eta={queued.p50_s:.0f}")
    if queued.p90_s is not None:
        words.append(f"eta_p90={queued.p90_s:.0f}")
    if queued.why is not None:
        words.append(f"why={queued.why}")
    if queued.retry_in_s is not None:
        words.append(f"retry_in={queued.retry_in_s:.0f}")
    return sse.comment("queued " + " ".join(words))
