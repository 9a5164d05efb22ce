"""The people of the load client: one of ours with acks and pongs, and one of the stock idiom. Callbacks only."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from typing import Any

from tests.bench.followed import Followed, Reader
from tests.bench.websocket import WebSocket, connect

ACK_BYTES = 65_536
ACK_NS = 1_000_000_000
LIVE = frozenset({"QUEUED", "ADMITTED", "STREAMING"})


class Faults:
    """What must not happen, counted; a benchmark with any of them has not measured."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def add(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class ChatViewer:
    """Behaves as the page does: answers heartbeats, acknowledges, and follows each answer of its conversation."""

    def __init__(self, reader: Reader, faults: Faults, on_end: Callable[[], None]) -> None:
        self.streams: dict[str, Followed] = {}
        self.unacked_since = self.heartbeats = 0
        self.is_open = False
        self._reader, self._faults, self._on_end = reader, faults, on_end
        self._socket: WebSocket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received = self._unacked_bytes = 0
        self._asked: set[int] = set()
        self._question, self._asked_ns = "", 0
        self._closing = False

    async def open(self, port: int, path: str, cookie: str) -> None:
        headers = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{port}", "Sec-WebSocket-Protocol": "chat.v1"}
        self._socket = await connect(port, path, headers, self._message, self._closed)
        await self._hello
        self.is_open = True

    def close(self) -> None:
        self._closing = True
        self._socket.close()

    # Commands

    async def command(self, kind: str, **fields: Any) -> dict[str, Any]:
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._send({"type": kind, "id": number, **fields})
        return await answer

    def ask(self, conversation: str, text: str, model: str) -> None:
        number = next(self._ids)
        self._question, self._asked_ns = text, time.time_ns()
        self._asked.add(number)
        self._send({"type": "message.send", "id": number, "conversation": conversation, "text": text, "model": model,
                    "client_message_id": f"{id(self)}-{number}"})  # fmt: skip

    def follow(self, generation: str) -> None:
        """Subscribe without waiting for the answer."""
        stream = self.streams[generation] = Followed(generation)
        stream.question, stream.asked_ns = self._question, self._asked_ns
        self._send({"type": "stream.subscribe", "id": f"f{generation}", "generation": generation})

    def resume(self, stream: Followed) -> None:
        """Ask for what comes after what it has."""
        known = {"after": f"{stream.attempt}-{stream.seq}", "epoch": stream.epoch} if stream.epoch else {}
        self._send(
            {"type": "stream.subscribe", "id": f"f{stream.generation}", "generation": stream.generation, **known}
        )

    def _send(self, command: dict[str, Any]) -> None:
        self._socket.send(json.dumps(command).encode())

    # Receiving

    def _message(self, message: bytes) -> None:
        now = time.time_ns()
        envelope = self._reader.read(message)
        self._received += 1
        if envelope["n"] != self._received:
            self._faults.add("envelopes out of order")
        for frame in envelope["frames"]:
            stream = self.streams.get(frame["generation"]) if "generation" in frame else None
            if stream is None or frame["type"] in ("ok", "error"):
                self._other(frame)
            elif not stream.apply(frame, now):
                self._faults.add("holes")
                self.resume(stream)
            elif stream.ended_ns == now:
                self._on_end()
        self._unacked_bytes += len(message)
        if self._unacked_bytes >= ACK_BYTES:
            self.ack()
        elif not self.unacked_since:
            self.unacked_since = now

    def ack(self) -> None:
        self._unacked_bytes = self.unacked_since = 0
        self._socket.send(b'{"type":"ack","n":%d}' % self._received)

    def _other(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "heartbeat":
                self.heartbeats += 1
                self._socket.send(b'{"type":"pong"}')
            case "hello":
                self._hello.set_result(None)
            case "ok" | "error":
                self._answer(frame)
            case "conversation.changed":
                self._changed(frame)

    def _answer(self, frame: dict[str, Any]) -> None:
        number = frame.get("id")
        if frame["type"] == "error":
            self._faults.add(f"error {frame['code']}: {frame['message']}")
        elif number in self._asked:
            self._learned(frame["generation"])
        elif isinstance(number, str) and (stream := self.streams.get(number[1:])) is not None:
            stream.epoch = frame["epoch"]
        if number in self._answers:
            self._answers.pop(number).set_result(frame)

    def _changed(self, frame: dict[str, Any]) -> None:
        for message in frame["messages"]:
            generation = message["generation"]
            if generation is not None and generation["status"] in LIVE:
                self._learned(generation["id"])

    def _learned(self, generation: str | None) -> None:
        if generation is None:
            self._faults.add("questions that had to wait")
        elif generation not in self.streams:
            self.follow(generation)

    def _closed(self, code: int) -> None:
        self.is_open = False
        if not self._closing:
            self._faults.add(f"sockets closed with {code}")
            self._on_end()


class StockViewer:
    """A viewer of the stock idiom: bare frames, no acks, no heartbeats."""

    def __init__(self, reader: Reader, faults: Faults, on_end: Callable[[], None]) -> None:
        self.streams: dict[str, Followed] = {}
        self.unacked_since = self.heartbeats = 0
        self.is_open = False
        self._reader, self._faults, self._on_end = reader, faults, on_end
        self._socket: WebSocket
        self._stream: Followed

    async def open(self, port: int, path: str, cookie: str) -> None:
        group = path.strip("/").rpartition("/")[2]
        self._stream = self.streams[group] = Followed(group)
        self._stream.attempt = 1
        headers = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{port}"}
        self._socket = await connect(port, path, headers, self._message, self._closed)
        self.is_open = True

    def close(self) -> None:
        self._socket.close()

    def _message(self, message: bytes) -> None:
        now = time.time_ns()
        if not self._stream.apply(self._reader.read(message), now):
            self._faults.add("holes")
        elif self._stream.ended_ns == now:
            self._on_end()

    def _closed(self, code: int) -> None:
        self.is_open = False
