"""Each request and each socket has an id of its own, which all that is logged for it carries (`request_id`,
`socket_id`). It is ours: nothing that a client sends gets into the logs by it."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

from structlog.contextvars import bound_contextvars

App = Callable[[Any, Any, Any], Awaitable[None]]
_NAMES: Final = {"http": "request_id", "websocket": "socket_id"}


class LogContext:
    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        name = _NAMES.get(scope["type"])
        if name is None:
            await self._app(scope, receive, send)
            return
        with bound_contextvars(**{name: uuid.uuid4().hex}):
            await self._app(scope, receive, send)
