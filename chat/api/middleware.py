"""What every answer of the API has in common: a request id, rate headers, and errors in one form, whoever made them
(a wrong path, a wrong method, a body that is too large, a fault of ours)."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from chat.api import conf
from chat.api.errors import INTERNAL, OPENAI_PATHS
from chat.api.responses import error_response
from streaming.errors import Refused, StreamingError

PATHS: Final = ("/api/v1/", OPENAI_PATHS)
_OWN_FORMS: Final = ("application/json", "application/problem+json")
_ERRORS: Final = {
    400: ("bad_request", "This request cannot be read."),
    404: ("not_found", "There is nothing here, or it is not yours to see."),
    405: ("method_not_allowed", "This method is not possible here."),
    413: ("too_large", "This body is too large."),
}
GetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
log = logging.getLogger(__name__)


class ApiMiddleware:
    async_capable = True
    sync_capable = False

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(PATHS):
            return await self._get_response(request)
        request.api_request_id = f"req_{uuid.uuid4().hex}"  # type: ignore[attr-defined]
        response = _refused_body(request) or _in_form(request, await self._get_response(request))
        response["x-request-id"] = request.api_request_id  # type: ignore[attr-defined]
        response.setdefault("Cache-Control", "no-store")
        for name, value in _rate_headers(request).items():
            response[name] = value
        return response


def _refused_body(request: HttpRequest) -> HttpResponseBase | None:
    """It is larger than anything that is read here, or what the server in front of Django let in of it."""
    most, size = conf.get().body_max_bytes, request.META.get("CONTENT_LENGTH") or "0"
    refused = getattr(request, "scope", {}).get("body_refused")
    if refused is None and (not str(size).isdigit() or int(size) <= most):
        return None
    if refused == 408:
        response = error_response(request, Refused("This body took too long to arrive.", code="timeout"), 408)
    else:
        response = error_response(request, Refused(f"A body has at most {most:,} bytes.", code="too_large"), 413)
    if refused is not None:
        response["Connection"] = "close"  # nobody reads the rest
    return response


def _in_form(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Pages of Django's own become errors that programs can read."""
    status = response.status_code
    if status < 400 or response.headers.get("Content-Type", "").partition(";")[0] in _OWN_FORMS:
        return response
    code, message = _ERRORS.get(status, ("internal", INTERNAL) if status >= 500 else ("bad_request", "Bad request."))
    told = error_response(request, StreamingError(message, code=code), status)
    if "Allow" in response.headers:
        told["Allow"] = response.headers["Allow"]
    return told


def _rate_headers(request: Any) -> dict[str, str]:
    """As the draft of the IETF has them, and as OpenAI's clients know them."""
    if not hasattr(request, "api_rate"):
        return {}
    limit, taken = request.api_rate
    reset_s = math.ceil(taken.reset_s)
    if not request.path.startswith(OPENAI_PATHS):
        window = f'"requests";r={taken.left};t={reset_s}'
        return {"RateLimit-Policy": f'"requests";q={limit};w=60', "RateLimit": window}
    return {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(taken.left),
        "x-ratelimit-reset-requests": f"{reset_s}s",
    }
