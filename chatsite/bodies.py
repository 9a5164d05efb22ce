"""How much a request may bring, and how long it may take to. Django spools a whole body to the disk before anybody asks
whose it is: a stranger could fill the disk, or hold connections for ever with a byte now and then.

What is over the limit is read to its end, if that is near, and thrown away, so that the client hears the refusal
instead of a reset; then the application gets an empty body and `scope["body_refused"]`, which the middleware tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

WITHIN_S: Final = 60.0
#: Beyond the limit.
THROWN_AWAY_MAX_BYTES: Final = 16_777_216
TOO_LARGE, TOO_SLOW = 413, 408
_WORDS: Final = {TOO_LARGE: "This request is too large.", TOO_SLOW: "This request took too long to arrive."}
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]


class BoundedBodies:
    """`most_bytes` of one body, within `within_s` from its first byte to its last."""

    def __init__(self, app: Any, most_bytes: int, within_s: float = WITHIN_S) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._within_s = within_s

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Any) -> None:
        if scope["type"] == "http":
            receive = _Body(scope, receive, self._most_bytes, self._within_s).receive
        await self._app(scope, receive, send)


class _Body:
    def __init__(self, scope: dict[str, Any], receive: Receive, most_bytes: int, within_s: float) -> None:
        self._scope = scope
        self._receive = receive
        self._most_bytes = most_bytes
        self._ends_at = asyncio.get_running_loop().time() + within_s
        self._bytes = 0
        self._is_whole = False

    async def receive(self) -> Message:
        if self._is_whole:
            return await self._receive()  # for the word that the client is gone
        try:
            async with asyncio.timeout_at(self._ends_at):
                message = await self._next()
        except TimeoutError:
            return self._refuse(TOO_SLOW)
        self._is_whole = not message.get("more_body", False)
        return message

    async def _next(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes <= self._most_bytes:
            return message
        while message.get("more_body", False) and self._bytes < self._most_bytes + THROWN_AWAY_MAX_BYTES:
            message = await self._receive()
            self._bytes += len(message.get("body", b""))
        return message if message["type"] == "http.disconnect" else self._refuse(TOO_LARGE)

    def _refuse(self, status: int) -> Message:
        self._is_whole = True
        self._scope["body_refused"] = status
        return {"type": "http.request", "body": b"", "more_body": False}


@sync_and_async_middleware
def refuse_bodies(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """For pages. The API says it in its own form (`chat.api.middleware`), so this one comes after that."""
    if iscoroutinefunction(get_response):

        async def later(request: HttpRequest) -> HttpResponse:
            return _refusal(request) or await get_response(request)

        return later

    def now(request: HttpRequest) -> HttpResponse:
        return _refusal(request) or get_response(request)

    return now


def _refusal(request: HttpRequest) -> HttpResponse | None:
    status = getattr(request, "scope", {}).get("body_refused")
    if status is None:
        return None
    # Nobody reads the rest.
    return HttpResponse(_WORDS[status], status=status, content_type="text/plain", headers={"Connection": "close"})
