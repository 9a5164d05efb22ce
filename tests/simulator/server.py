"""The simulator's HTTP/1.1: just enough of it, and cheap, because benchmarks share their two cores with it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qs, urlsplit

from tests.simulator.answer import MESSAGE, Answer, header_lines
from tests.simulator.control import control
from tests.simulator.dialects import DIALECTS
from tests.simulator.exchange import Exchange
from tests.simulator.limits import Allowance, Quota
from tests.simulator.script import IMPOSTORS, REFUSALS, Script, parse
from tests.simulator.stored import PATH as STORED_PATH
from tests.simulator.stored import StoredAnswer, StoredRun, StoredRuns

PAGE = b"<!doctype html><title>Sign in</title><p>Please sign in to the network."


class Simulator:
    """A running server and its ground truth. `exchanges` is in order of arrival."""

    def __init__(self, port: int = 0) -> None:
        self.exchanges: list[Exchange] = []
        #: Sent with every answer and every refusal.
        self.headers: dict[str, str] = {}
        #: Model → its limits; "*": all others together, and without limits at first.
        self.quotas = {"*": Quota(Allowance())}
        self.runs = StoredRuns(self.on_change)
        #: Model → tokens a second, where it is not what its name says.
        self.paces: dict[str, float] = {}
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._seen: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self._waiters: set[asyncio.Event] = set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def openai_url(self) -> str:
        return f"{self.base_url}/v1"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self._port, backlog=1024)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        await self.until(lambda: not self._connections)

    async def until(self, condition: Callable[[], Any], timeout_s: float = 20.0) -> None:
        """Waits until something in the log has become true. Raises TimeoutError."""
        changed = asyncio.Event()
        self._waiters.add(changed)
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    await changed.wait()
                    changed.clear()
        finally:
            self._waiters.discard(changed)

    def on_change(self) -> None:
        for waiter in self._waiters:
            waiter.set()

    def connected(self, connection: _Connection) -> None:
        self._connections.add(connection)

    def disconnected(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        self.on_change()

    def forget(self) -> None:
        self.exchanges.clear()
        self._seen.clear()

    def limit(self, allowance: Allowance, model: str = "*") -> Quota:
        """Limits for one model, or for all others together; its buckets are full."""
        self.quotas[model] = Quota(allowance)
        return self.quotas[model]

    def pace(self, model: str, rate: float | None) -> None:
        """Answers of the model, also those that run, go on at so many tokens a second; None: as its name says."""
        if rate is None:
            self.paces.pop(model, None)
        else:
            self.paces[model] = rate
        for connection in self._connections:
            connection.go_at(model, parse(model).rate if rate is None else rate)
        for run in self.runs.all.values():
            if run.model == model:
                run.go_at(parse(model).rate if rate is None else rate)

    def quota(self, model: str) -> Quota:
        return self.quotas.get(model) or self.quotas["*"]

    def receive(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Exchange:
        model = str(body.get("model", ""))
        script = parse(model)
        if model in self.paces:
            script = replace(script, rate=self.paces[model], first=0.0)
        self._seen[model] += 1
        if script.times and self._seen[model] > script.times:
            script = replace(script, fault="")
        exchange = self._note(Exchange(next(self._numbers), path, headers, body, script))
        quota = self.quota(model)
        if refusal := quota.ask(exchange):
            exchange.refused_for = refusal.why
            exchange.script = replace(script, fault=refusal.fault, wait=refusal.wait_s, date=0)
        exchange.reply_headers |= quota.headers(path)
        return exchange

    def receive_for(self, run: StoredRun, method: str, path: str, headers: dict[str, str]) -> Exchange:
        """A request about a stored run, noted under its model's name."""
        return self._note(Exchange(next(self._numbers), path, headers, {"model": run.model}, run.script, method))

    def _note(self, exchange: Exchange) -> Exchange:
        exchange.reply_headers |= self.headers
        self.exchanges.append(exchange)
        self.on_change()
        return exchange


class _Connection(asyncio.Protocol):
    """One client connection; one request at a time, kept alive between them."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._buffer = bytearray()
        self._transport: asyncio.Transport
        self._exchange: Exchange | None = None
        self._answer: Answer | StoredAnswer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._simulator.connected(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self._exchange is not None:
            self._exchange.client_left()
        self._simulator.disconnected(self)

    def pause_writing(self) -> None:
        if self._answer is not None:
            self._answer.pause()

    def resume_writing(self) -> None:
        if self._answer is not None:
            self._answer.resume()

    def go_at(self, model: str, rate: float) -> None:
        if isinstance(self._answer, Answer) and self._exchange is not None and self._exchange.model == model:
            self._answer.go_at(rate)

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._exchange is None:
            self._read_request()

    def _read_request(self) -> None:
        head, separator, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not separator:
            return
        request_line, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = request_line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._buffer[:] = rest[length:]
        self._serve(method, path, headers, rest[:length])

    def _serve(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        try:
            if method == "POST" and path in DIALECTS:
                self._answer_to(self._simulator.receive(path, headers, json.loads(body)))
            elif path.startswith(STORED_PATH):
                self._about_run(method, path, headers)
            elif (answer := control(self._simulator, method, path, body)) is not None:
                self._reply(200, answer)
            else:
                self._reply(404, {"error": {"message": f"the simulator has no {method} {path}"}})
        except ValueError as error:
            self._reply(400, {"error": {"message": str(error)}})

    def _about_run(self, method: str, path: str, headers: dict[str, str]) -> None:
        """GET /v1/responses/<id>?stream=true&starting_after=<n> and POST /v1/responses/<id>/cancel."""
        url = urlsplit(path)
        run = self._simulator.runs.find(url.path)
        if run is None:
            self._reply(404, {"error": {"message": "no such response", "type": "invalid_request_error"}})
            return
        exchange = self._simulator.receive_for(run, method, url.path, headers)
        if method == "GET" and not run.script.gone:
            after = int(parse_qs(url.query).get("starting_after", ["-1"])[0])
            self._exchange = exchange
            self._answer = StoredAnswer(self._transport, exchange, run, self._next, after=after)
            self._answer.start()
            return
        if method == "POST":
            run.cancel()
        exchange.end("refused" if method == "GET" else "complete")
        refused = {"error": {"message": "gone", "type": "invalid_request_error"}}
        self._reply(*((run.script.gone, refused) if method == "GET" else (200, run.described())))
        self._next()

    def _answer_to(self, exchange: Exchange) -> None:
        self._exchange, script = exchange, exchange.script
        if script.fault in REFUSALS or script.fault in IMPOSTORS:
            delay_s = script.headers
            asyncio.get_running_loop().call_later(delay_s, self._refuse, exchange)
            return
        if exchange.body.get("background"):
            run = self._simulator.runs.begin(exchange)
            self._simulator.quota(exchange.model).keep_counting(exchange, lambda: run.status == "in_progress")
            self._answer = StoredAnswer(self._transport, exchange, run, self._next)
            self._answer.start()
            return
        change, dialect = self._simulator.on_change, DIALECTS[exchange.path]
        self._answer = Answer(self._transport, exchange, dialect, _message(exchange), change, self._next)
        self._answer.start()

    def _refuse(self, exchange: Exchange) -> None:
        script = exchange.script
        exchange.end("refused")
        if script.fault == "html":
            self._write(200, "text/html; charset=utf-8", PAGE)
        elif script.fault == "redirect":
            self._write(307, "text/plain", b"", f"Location: /elsewhere{exchange.path}\r\n")
        else:
            body = DIALECTS[exchange.path].refusal(script.fault, _message(exchange))
            status = REFUSALS.get(script.fault, 200)
            self._write(status, "application/json", json.dumps(body).encode(), _more(exchange))
        self._next()

    def _next(self) -> None:
        """The answer is over: the connection may bring another request."""
        self._exchange = self._answer = None
        self._simulator.on_change()
        if self._buffer:
            self._read_request()

    def _reply(self, status: int, body: Any) -> None:
        self._write(status, "application/json", json.dumps(body).encode())

    def _write(self, status: int, content_type: str, body: bytes, more: str = "") -> None:
        head = f"HTTP/1.1 {status} Simulated\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}"
        self._transport.write(f"{head}x-request-id: req_sim\r\nrequest-id: req_sim\r\n\r\n".encode() + body)


def _message(exchange: Exchange) -> str:
    return MESSAGE.format(key=exchange.headers.get("authorization", ""), prompt=json.dumps(exchange.body))


def _more(exchange: Exchange) -> str:
    return _retry_after(exchange.script) + header_lines(exchange.reply_headers)


def _retry_after(script: Script) -> str:
    if script.wait < 0:
        return ""
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=script.wait), usegmt=True)
    return f"Retry-After: {when if script.date else f'{script.wait:g}'}\r\n"
