"""Streams as HTTP responses: headers that keep proxies from holding them back, and an end whatever happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Final

from django.http import StreamingHttpResponse

SSE: Final = "text/event-stream; charset=utf-8"
NDJSON: Final = "application/x-ndjson; charset=utf-8"
JSONL: Final = "application/jsonl; charset=utf-8"
HEADERS: Final = {
    "Cache-Control": "no-cache, no-transform",  # no-transform: nobody compresses, so nobody collects
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
    "Content-Encoding": "identity",
}


def stream_response(
    content: AsyncGenerator[str], content_type: str, headers: Mapping[str, str] | None = None
) -> StreamingHttpResponse:
    return StreamingHttpResponse(content, content_type=content_type, headers={**HEADERS, **(headers or {})})
