"""The client's side of a WebSocket, as cheap as it can be: no task per connection and no coroutine per message.

A benchmark's client shares two cores with what it measures. Messages are handed over as bytes, whole; servers here do
not fragment. The masking key of what we send is zero, which is allowed and leaves the bytes as they are.
"""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections.abc import Callable
from typing import cast

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket(asyncio.Protocol):
    """`on_text` gets each text message, `on_close` the close code (1006: none was sent)."""

    def __init__(self, request: bytes, on_text: Callable[[bytes], None], on_close: Callable[[int], None]) -> None:
        self._request = request
        self._on_text = on_text
        self._on_close = on_close
        self._rest = b""
        self._code = 1006
        self._transport: asyncio.Transport
        self._shaken = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def send(self, text: bytes, opcode: int = TEXT) -> None:
        size = len(text)
        if size < 126:
            head = bytes((0x80 | opcode, 0x80 | size))
        elif size < 65_536:
            head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
        self._transport.write(head + b"\0\0\0\0" + text)

    def close(self) -> None:
        self.send((1000).to_bytes(2, "big"), CLOSE)

    def abort(self) -> None:
        self._transport.abort()

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no such class
        self._transport.write(self._request)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("the connection was lost during the handshake"))
        self._on_close(self._code)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if not self._shaken:
            rest = self._handshake(data)
            if rest is None:
                return
            data = rest
        at, end = 0, len(data)
        while end - at >= 2:
            size, begin = data[at + 1], at + 2
            if size == 126:
                size, begin = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, begin = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if begin + size > end:
                break
            if data[at] == 0x81:
                self._on_text(data[begin : begin + size])
            else:
                self._control(data[at], data[begin : begin + size])
            at = begin + size
        self._rest = data[at:]

    def _handshake(self, data: bytes) -> bytes | None:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if not separator:
            self._rest = data
            return None
        self._shaken = True
        if head.startswith(b"HTTP/1.1 101 "):
            self.opened.set_result(None)
            return rest
        status = head.partition(b"\r\n")[0].decode("latin-1")
        self.opened.set_exception(ConnectionError(f"the server refused the socket: {status}"))
        self._transport.abort()
        return b""

    def _control(self, first: int, payload: bytes) -> None:
        if first == 0x80 | PING:
            self.send(payload, PONG)
        elif first == 0x80 | CLOSE:
            self._code = int.from_bytes(payload[:2], "big") or 1005
            self.send(payload[:2], CLOSE)
            self._transport.close()
        elif first != 0x80 | PONG:
            raise ValueError(f"a frame that begins with {first:#x}")


def upgrade_request(path: str, port: int, headers: dict[str, str]) -> bytes:
    key = b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def connect(
    port: int, path: str, headers: dict[str, str], on_text: Callable[[bytes], None], on_close: Callable[[int], None]
) -> WebSocket:
    """An open socket to this machine. Raises OSError (ConnectionError, if it is refused)."""
    request = upgrade_request(path, port, headers)
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(lambda: WebSocket(request, on_text, on_close), "127.0.0.1", port)
    await socket.opened
    return socket
