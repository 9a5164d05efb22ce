"""The events of `/v1/chat/stream` and its two brothers, of which each way of delivery makes its own lines:

    {"type": "stream_start", "id": …, "model": …, "created": …}
    {"type": "waiting", "reason": …, "position": …, "eta_s": …, "eta_p90_s": …}      while it waits, if that is news
    {"type": "text", "text": …}
    {"type": "stream_end", "finish_reason": …, "usage": {…}, "metrics": {…}}
    {"type": "error", "code": …, "message": …, "retryable": …, "retry_after_seconds": …}

`stream_end` or `error` is the last one. Pure.
"""

from __future__ import annotations

from typing import Any

from chat.api.openai_format import finish_reason, usage_of
from streaming.errors import StreamingError
from streaming.events import Ended, Queued

Event = dict[str, Any]


def start(generation: str, model: str, created: int) -> Event:
    return {"type": "stream_start", "id": generation, "model": model, "created": created}


def waiting(queued: Queued) -> Event:
    return {
        "type": "waiting",
        "reason": queued.reason,
        "position": None if queued.ahead is None else queued.ahead + 1,
        "eta_s": queued.p50_s,
        "eta_p90_s": queued.p90_s,
    }


def text(text: str) -> Event:
    return {"type": "text", "text": text}


def end(ended: Ended, cached_tokens: int) -> Event:
    writing_ms = None
    if ended.duration_ms is not None and ended.first_text_ms is not None:
        writing_ms = ended.duration_ms - ended.first_text_ms
    per_second = round(1000 * ended.output_tokens / writing_ms, 1) if ended.output_tokens and writing_ms else None
    return {
        "type": "stream_end",
        "finish_reason": finish_reason(ended),
        "usage": usage_of(ended, cached_tokens),
        "metrics": {
            "first_text_ms": ended.first_text_ms,
            "duration_ms": ended.duration_ms,
            "tokens_per_second": per_second,
            "bytes": ended.bytes,
        },
    }


def error(error: StreamingError) -> Event:
    return {
        "type": "error",
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "retry_after_seconds": error.retry_after_s,
    }
