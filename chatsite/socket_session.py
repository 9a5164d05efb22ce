"""The session of a page's WebSocket, which only reads it.

Channels' own session middleware looks through two lazy objects at each message that leaves, to save a session that was
changed: for sockets that stream text that is a twentieth of a web process's time, and no socket changes its session.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings


class SocketSession:
    """ASGI middleware between Channels' cookies and its user: `scope["session"]`."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._store = import_module(settings.SESSION_ENGINE).SessionStore

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        session = self._store(scope["cookies"].get(settings.SESSION_COOKIE_NAME))
        return await self._inner({**scope, "session": session}, receive, send)
