"""One error, two ways to say it: problem details (RFC 9457) under `/api`, OpenAI's error object under `/v1`.

A `StreamingError` carries code, sentence and whether trying again may help; here it gets its HTTP status. Pure.
"""

from __future__ import annotations

import math
from typing import Any, Final

from streaming.errors import Refused, StreamingError

OPENAI_PATHS: Final = "/v1/"
#: What is wrong with the request itself; a code that stands nowhere is one of these.
_INVALID: Final = {"/v1/": 400, "/api/": 422}
STATUSES: Final = {
    "invalid_json": 400,
    "bad_cursor": 400,
    "future_position": 400,
    "prompt_refused": 400,
    "context_too_long": 400,
    "vetoed": 400,
    "missing_api_key": 401,
    "invalid_api_key": 401,
    "missing_scope": 403,
    "forbidden": 403,
    "not_found": 404,
    "unknown_model": 404,
    "model_unavailable": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "busy": 409,
    "conflict": 409,
    "too_large": 413,
    "rate_limited": 429,
    "too_many": 429,
    "too_many_streams": 429,
    "queue_full": 429,
    "budget_spent": 429,
    "internal": 500,
    "bad_key": 502,
    "not_permitted": 502,
    "provider_unavailable": 502,
    "provider_incomplete": 502,
    "provider_garbled": 502,
    "provider_failed": 502,
    "text_lost": 502,
    "lane_blocked": 503,
    "lane_full": 503,
    "wait_too_long": 503,
    "overloaded": 503,
    "spend_limit": 503,
    "expired": 503,
    "unavailable": 503,
    "restarting": 503,
    "provider_timeout": 504,
}
TITLES: Final = {
    400: "Bad request", 401: "Not authenticated", 403: "Forbidden", 404: "Not found", 405: "Method not allowed",
    406: "Not acceptable", 409: "Conflict", 413: "Too large", 422: "Unprocessable content", 429: "Too many requests",
    500: "Internal error", 502: "The model's provider failed", 503: "Not available", 504: "The model took too long",
}  # fmt: skip
_OPENAI_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
INTERNAL: Final = "Something went wrong here. Tell the site's operator the request's id."


class Invalid(Refused):
    """A field of the request: `param` says which."""

    def __init__(self, message: str, *, param: str | None = None, code: str = "invalid_value") -> None:
        super().__init__(message, code=code)
        self.param = param


def status_of(error: StreamingError, path: str) -> int:
    known = STATUSES.get(error.code)
    if known is not None:
        return known
    if isinstance(error, Refused):
        return _INVALID["/v1/"] if path.startswith(OPENAI_PATHS) else _INVALID["/api/"]
    return 502  # a provider's own word


def problem_of(error: StreamingError, status: int, path: str, request_id: str) -> dict[str, Any]:
    """RFC 9457: `type` is the code's own place in the documentation."""
    problem: dict[str, Any] = {
        "type": f"/api/v1/docs#{error.code}",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": error.message,
        "instance": path,
        "code": error.code,
        "request_id": request_id,
        "retryable": error.retryable,
    }
    if error.retry_after_s is not None:
        problem["retry_after_s"] = math.ceil(error.retry_after_s)
    if (param := getattr(error, "param", None)) is not None:
        problem["param"] = param
    return problem


def openai_error(error: StreamingError, status: int) -> dict[str, Any]:
    """The object that OpenAI's SDK makes its exceptions of, in a body or in the middle of a stream."""
    kind = _OPENAI_TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    if error.code == "budget_spent":
        kind = "insufficient_quota"
    code = {"unknown_model": "model_not_found", "context_too_long": "context_length_exceeded"}.get(error.code)
    return {
        "message": error.message,
        "type": kind,
        "code": code or error.code,
        "param": getattr(error, "param", None),
    }
