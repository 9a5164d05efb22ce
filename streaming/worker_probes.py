"""`/livez`, `/readyz` and `/metrics` of a worker process, if `worker_probes` names an address. Nothing else is served
there; whoever reaches the address may read them, so it is a loopback or a private one.

With port 0 a free one is taken; the worker's lease says which.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from streaming import bridge, health, metrics

LOOP_WITHIN_S: Final = 5.0
"""A loop that carries five hundred streams answers within milliseconds; one that does not at all is dead."""


class WorkerProbes:
    """Of this process; served by a thread of their own."""

    def __init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None

    def start(self, address: str) -> int:
        """`address`: host:port; empty: nothing is served. Returns the port, or 0."""
        if not address:
            return 0
        host, _, port = address.rpartition(":")
        self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), _Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="probes", daemon=True).start()
        return int(self._server.server_address[1])

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        answer = {"/livez": _livez, "/readyz": _readyz, "/metrics": _metrics}.get(self.path.partition("?")[0])
        if answer is None:
            self.send_error(404)
            return
        try:
            status, kind, body = answer()
        except Exception as error:  # the loop is dead, or about to end
            status, kind, body = 503, "application/json", _json(False, [type(error).__name__])
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """A probe every few seconds is nothing to tell."""


Answer = tuple[int, str, bytes]


def _livez() -> Answer:
    bridge.get().ask(_alive(), LOOP_WITHIN_S)
    return 200, "application/json", _json(True, [])


async def _alive() -> None:
    """The loop gets round to it."""


def _readyz() -> Answer:
    running = bridge.get()
    problems = running.ask(health.problems(), LOOP_WITHIN_S + health.WITHIN_S)
    if running.runner.drain_at is not None:
        problems = ["draining", *problems]
    return 503 if problems else 200, "application/json", _json(not problems, problems)


def _metrics() -> Answer:
    return 200, CONTENT_TYPE_LATEST, generate_latest(metrics.REGISTRY)


def _json(ok: bool, problems: list[str]) -> bytes:
    return json.dumps({"ok": ok, "problems": problems}).encode()
