"""One streamed answer: a small machine that the loop's own timers drive, with no task and no future per token."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import replace

from tests.simulator import corpus, going_on
from tests.simulator.dialects import Dialect
from tests.simulator.exchange import Exchange
from tests.simulator.script import CUTS

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\nx-request-id: req_sim\r\nrequest-id: req_sim\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"
#: Vendors' messages may quote key and prompt; the simulator's always do, so that a leak shows.
MESSAGE = "vendor text that quotes {key} and {prompt}"


def head_of(exchange: Exchange) -> bytes:
    """The response's head, headers of its own included."""
    return HEAD + header_lines(exchange.reply_headers).encode() + b"\r\n"


def header_lines(headers: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


class Answer:
    def __init__(
        self,
        transport: asyncio.Transport,
        exchange: Exchange,
        dialect: Dialect,
        message: str,
        on_change: Callable[[], None],
        on_complete: Callable[[], None],
    ) -> None:
        self._transport, self._exchange, self._dialect = transport, exchange, dialect
        self._message, self._on_change, self._on_complete = message, on_change, on_complete
        self._script = exchange.script
        self._loop = asyncio.get_running_loop()
        count = 0 if self._script.fault == "empty" else self._script.tokens
        whole = corpus.tokens(count, self._script.seed, bool(self._script.unicode), self._script.paragraph)
        self._tokens = going_on.tokens(self._script, exchange.body, whole)
        self._index = 0
        self._start = 0.0
        self._timer: asyncio.Handle | None = None
        self._paused = False

    def start(self) -> None:
        self._loop.call_later(self._script.headers, self._begin)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._step_at(0.0)

    def go_at(self, rate: float) -> None:
        """From now on so many tokens a second, whatever the script says."""
        self._script, now = replace(self._script, rate=rate, first=0.0), self._loop.time()
        if self._timer is not None:
            self._start = now - ((self._index - 1) / rate if rate else 0.0)
            self._step_at(now + 1 / rate if rate else 0.0)

    def _begin(self) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(head_of(self._exchange))
        self._write(self._dialect.head(self._exchange.model, self._script))
        self._start = self._loop.time() + self._script.first
        for number in range(self._script.thoughts):
            self._write(self._dialect.thought(f"thought {number} "))
        self._step_at(self._start)

    def _step_at(self, time: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(time, self._step) if time else self._loop.call_soon(self._step)

    def _step(self) -> None:
        """Sends what is due and asks to be called when the next token is."""
        if self._paused or self._transport.is_closing() or self._exchange.ended_at is not None:
            return
        script = self._script
        for _ in range(1 if script.rate else script.burst):
            if script.fault in CUTS and self._index == script.fault_at:
                return self._cut(script.fault)
            if self._index == len(self._tokens):
                return self._finish()
            self._send(self._tokens[self._index])
            self._index += 1
        self._on_change()
        self._step_at(self._start + self._index / script.rate if script.rate else 0.0)
        return None

    def _send(self, token: str) -> None:
        script = self._script
        if script.big and self._index == script.fault_at:
            token = "x" * script.big
        if script.ping and self._index % script.ping == 0:
            self._write(self._dialect.ping())
        if script.fault == "unknown":
            self._write(self._dialect.unknown())
        if script.stamp:
            token = f"@{time.time_ns()};{token}"
        if self._exchange.first_text_at is None:
            self._exchange.first_text_at = time.time()
        self._write(self._dialect.token(token))
        self._exchange.sent.append(token)
        if self._exchange.on_sent is not None:
            self._exchange.on_sent()

    def _write(self, data: bytes) -> None:
        if self._script.split:
            self._transport.write(b"".join(b"1\r\n%c\r\n" % byte for byte in data))
        else:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _finish(self) -> None:
        self._write(self._dialect.tail(self._exchange.model, self._script, len(self._tokens)))
        if self._script.fault == "hang":
            return
        self._transport.write(LAST_CHUNK)
        self._exchange.end("complete")
        self._on_change()
        self._on_complete()

    def _cut(self, fault: str) -> None:
        match fault:
            case "stall":
                return
            case "error" | "overloaded" | "failed":
                self._write(self._dialect.error(fault, self._message))
            case "badjson":
                self._write(b'event: content_block_delta\ndata: {"type": "content_block_del\n\n')
            case "badutf8":
                self._write(b'event: content_block_delta\ndata: {"type": "\xff\xfe"}\n\n')
            case "badshape":
                self._write(b"event: content_block_delta\ndata: [1, 2]\n\n")
        self._exchange.end(fault)
        self._on_change()
        cut_off(self._transport, fault, self._on_complete)


def cut_off(transport: asyncio.Transport, fault: str, on_complete: Callable[[], None]) -> None:
    """Ends a body: with a reset, with the connection, or properly."""
    if fault == "rst":
        _reset(transport)
    elif fault == "fin":
        transport.close()
    else:
        transport.write(LAST_CHUNK)
        on_complete()


def _reset(transport: asyncio.Transport) -> None:
    """Lingering for zero seconds makes the kernel send RST instead of FIN."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
