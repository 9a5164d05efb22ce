"""Streams as HTTP responses, with headers that keep proxies from holding them back; and errors."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Mapping
from typing import Final

from django.http import HttpRequest, JsonResponse, StreamingHttpResponse

from chat.api.errors import OPENAI_PATHS, openai_error, problem_of, status_of
from streaming.errors import StreamingError

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


def error_response(request: HttpRequest, error: StreamingError, status: int | None = None) -> JsonResponse:
    status = status or status_of(error, request.path)
    if request.path.startswith(OPENAI_PATHS):
        response = JsonResponse({"error": openai_error(error, status)}, status=status)
        response["x-should-retry"] = "true" if error.retryable and status in (429, 503) else "false"
    else:
        problem = problem_of(error, status, request.path, str(getattr(request, "api_request_id", "")))
        response = JsonResponse(problem, status=status, content_type="application/problem+json")
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        response["Retry-After"] = str(math.ceil(error.retry_after_s))
    response["Cache-Control"] = "no-store"
    return response
