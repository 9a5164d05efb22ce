"""`/livez`, `/readyz` and `/metrics` of a web process, before Django: probes name hosts that no site allows, come
without TLS, and must be answered when the database is away.

/livez     the event loop turns
/readyz    database, Valkey and channel layer answer; 503 if not, and while the process ends
/livez/stream   four lines with pauses: `manage.py doctor --url` sees whether a proxy holds them back
/metrics   for Prometheus: from the machine itself, or with `Authorization: Bearer <METRICS_TOKEN>`; 404 for others
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, Final

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from chat import restart, sockets
from chatsite import buffering
from streaming import health, metrics

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
_FORWARDED: Final = (b"x-forwarded-for", b"forwarded", b"x-real-ip")
_JSON: Final = "application/json"


class Probes:
    """Answers them, and hands everything else to `app`."""

    def __init__(self, app: App, metrics_token: str = "") -> None:
        self._app = app
        self._token = metrics_token.encode()
        self._answers = {"/livez": self._livez, "/readyz": self._readyz, "/metrics": self._metrics}

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        if scope["path"] == buffering.PATH and scope["method"] == "GET":
            await _stream(send)
            return
        answer = self._answers.get(scope["path"]) if scope["method"] in ("GET", "HEAD") else None
        if answer is None:
            await self._app(scope, receive, send)
            return
        status, kind, body = await answer(scope)
        headers = [(b"content-type", kind.encode()), (b"cache-control", b"no-store")]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _livez(self, scope: Scope) -> tuple[int, str, bytes]:
        return 200, _JSON, _json([])

    async def _readyz(self, scope: Scope) -> tuple[int, str, bytes]:
        restart.prepare()  # so that it is heard also where no socket came yet
        problems = await health.problems()
        if sockets.get().restarting:
            problems = ["draining", *problems]
        return 503 if problems else 200, _JSON, _json(problems)

    async def _metrics(self, scope: Scope) -> tuple[int, str, bytes]:
        if not self._may_read(scope):
            return 404, "text/plain", b"Not Found"
        return 200, CONTENT_TYPE_LATEST, await asyncio.to_thread(generate_latest, metrics.REGISTRY)

    def _may_read(self, scope: Scope) -> bool:
        headers = dict(scope["headers"])
        if self._token:
            said = headers.get(b"authorization", b"")
            return hmac.compare_digest(said, b"Bearer " + self._token)
        # Behind a proxy on this machine everybody would come from here.
        return is_loopback(scope.get("client")) and not any(name in headers for name in _FORWARDED)


async def _stream(send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in range(buffering.LINES):
        if number:
            await asyncio.sleep(buffering.PAUSE_S)
        more = number < buffering.LINES - 1
        await send({"type": "http.response.body", "body": b": line %d\n\n" % number, "more_body": more})


def is_loopback(client: Any) -> bool:
    try:
        return bool(client) and ip_address(client[0]).is_loopback
    except ValueError:  # a socket file, or a test's name
        return False


def _json(problems: list[str]) -> bytes:
    return json.dumps({"ok": not problems, "problems": problems}).encode()
