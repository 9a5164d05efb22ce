"""A client of the WebSocket protocol for tests: commands with answers, streams folded as a browser would, acks, pongs.

It outlives its sockets: `drop()` cuts one without a goodbye, `connect()` opens the next, and `subscribe` goes on from
the last position that was seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from tests.acceptance.stream_view import StreamView

Frame = dict[str, Any]
ACK_BYTES = 65_536
ACK_S = 1.0
TIMEOUT_S = 120.0


class CommandFailed(Exception):
    """The server's `error` to a command of ours."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(f"{frame['code']}: {frame['message']}")
        self.code: str = frame["code"]
        self.frame = frame


class ChatClient:
    """`acks`, `pongs`: whether it behaves. `heal`: whether a hole makes it subscribe again from where it was."""

    def __init__(
        self, url: str, *, cookie: str, origin: str, acks: bool = True, pongs: bool = True, heal: bool = True
    ) -> None:
        self.url, self.cookie, self.origin = url, cookie, origin
        self.acks, self.pongs, self.heal = acks, pongs, heal
        self.hello: Frame = {}
        self.streams: dict[str, StreamView] = {}
        #: conversation id -> {"revision", "title", "participants", "messages": {message id: MessageData}}
        self.conversations: dict[str, Frame] = {}
        #: Every frame that is neither an answer nor part of a stream, newest last.
        self.frames: list[Frame] = []
        self.close_code: int | None = None
        self.keep_history = False
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._ids = itertools.count(1)
        self._reading = asyncio.Event()
        self._reading.set()
        self._unacked_bytes = self._received = self._acked = 0
        self._ack_timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    # Sockets

    async def connect(self) -> Frame:
        """Opens a socket and returns its `hello`."""
        self.close_code, self._unacked_bytes, self._received, self._acked = None, 0, 0, 0
        socket = self._socket = await connect(
            self.url, origin=Origin(self.origin), additional_headers={"Cookie": self.cookie},
            subprotocols=[Subprotocol("chat.v1")], compression=None, max_size=None, ping_interval=None, proxy=None,
            open_timeout=TIMEOUT_S,
        )  # fmt: skip
        self.hello = {}
        self._reader = asyncio.create_task(self._read(socket))
        await self.until(lambda: bool(self.hello), "hello")
        return self.hello

    async def drop(self) -> None:
        """Cuts the connection as a lost network would: no close frame. What a paused client has not read is lost."""
        if self._socket is not None:
            self._socket.transport.abort()
            if not self._reading.is_set() and self._reader is not None:
                self._reader.cancel()
                await asyncio.wait({self._reader})
                self._reader, self.close_code = None, 1006
            await self._finished()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
            await self._finished()

    async def _finished(self) -> None:
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        self._reading.set()
        if self._reader is not None:
            await self._reader
        for task in self._tasks:
            task.cancel()

    async def __aenter__(self) -> ChatClient:
        await self.connect()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def pause(self) -> None:
        """Stops reading: what a phone in a tunnel does."""
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    # Commands

    async def command(self, kind: str, /, *, timeout_s: float = TIMEOUT_S, **fields: Any) -> Frame:
        """Sends a command and returns the server's `ok`. Raises CommandFailed."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await self.send_raw(json.dumps({"type": kind, "id": number, **fields}))
            frame: Frame = await asyncio.wait_for(answer, timeout_s)
        finally:
            self._answers.pop(number, None)
        if frame["type"] == "error":
            raise CommandFailed(frame)
        return frame

    async def send_raw(self, data: str | bytes) -> None:
        assert self._socket is not None
        await self._socket.send(data)

    async def ask(self, conversation: str, text: str, **fields: Any) -> str:
        """Sends a message and returns the id of the generation that answers it."""
        fields.setdefault("client_message_id", str(uuid.uuid4()))
        answer = await self.command("message.send", conversation=conversation, text=text, **fields)
        generation: str = answer["generation"]
        return generation

    async def subscribe(self, generation: str) -> Frame:
        """Follows a stream from the last position that this client has seen; everything if it has seen nothing."""
        view = self.view(generation)
        known: Frame = {} if view.epoch is None else {"after": str(view.position)}
        if view.epoch:  # empty: a snapshot of a text that has no log
            known["epoch"] = view.epoch
        answer = await self.command("stream.subscribe", generation=generation, **known)
        view.epoch = answer["epoch"] or view.epoch  # the first event may name it before this task is woken
        return answer

    async def follow(self, conversation: str) -> Frame:
        """Subscribes to a conversation and returns what is known of it."""
        known = self.conversations.get(conversation)
        since: Frame = {"since": known["revision"]} if known else {}
        answer = await self.command("conversation.subscribe", conversation=conversation, **since)
        await self.until(lambda: self._revision(conversation) >= answer["revision"], "the conversation")
        return self.conversations[conversation]

    def _revision(self, conversation: str) -> int:
        return int(self.conversations.get(conversation, {}).get("revision", -1))

    # Waiting

    def view(self, generation: str) -> StreamView:
        return self.streams.setdefault(generation, StreamView(generation, keep_history=self.keep_history))

    async def until(self, holds: Callable[[], bool], what: str = "it", timeout_s: float = 150) -> None:
        """Waits until something holds; looked at after each frame."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: holds() or self.close_code is not None)
        except TimeoutError:
            raise AssertionError(f"{what} did not come within {timeout_s:g} s") from None
        assert holds(), f"{what} did not come: the connection was closed with {self.close_code}"

    async def ended(self, generation: str, timeout_s: float = 150) -> StreamView:
        """Waits for the end of a stream; its text must then be the one that the end vouches for."""
        view = self.view(generation)
        await self.until(lambda: view.end is not None, "the end of the stream", timeout_s)
        assert view.is_whole, f"{len(view.text)} characters that are not the text of the end"
        return view

    async def closed(self, timeout_s: float = 120) -> int:
        await self.until(lambda: self.close_code is not None, "the end of the connection", timeout_s)
        assert self.close_code is not None
        return self.close_code

    # Receiving

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            async for message in socket:
                await self._reading.wait()
                await self._envelope(message)
        self.close_code = socket.close_code or 1006
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError(f"closed with {self.close_code}"))
                answer.exception()  # whoever waited for it may be cancelled by the same loss
        async with self._changed:
            self._changed.notify_all()

    async def _envelope(self, message: str | bytes) -> None:
        envelope = json.loads(message)
        assert envelope["n"] == self._received + 1, f"envelope {envelope['n']} after {self._received}"
        self._received = envelope["n"]
        for frame in envelope["frames"]:
            await self._frame(frame)
        await self._acknowledge(len(message))
        async with self._changed:
            self._changed.notify_all()

    async def _acknowledge(self, size: int) -> None:
        """At least once for each 64 KiB, and 1 s after the last envelope."""
        self._unacked_bytes += size
        if self._unacked_bytes >= ACK_BYTES:
            await self._ack()
        elif self._ack_timer is None:
            self._ack_timer = asyncio.get_running_loop().call_later(ACK_S, lambda: self._spawn(self._ack()))

    async def _ack(self) -> None:
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        if self.acks and self._acked < self._received and self._socket is not None:
            self._unacked_bytes, self._acked = 0, self._received
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(json.dumps({"type": "ack", "n": self._received}))

    async def _frame(self, frame: Frame) -> None:
        kind: str = frame["type"]
        if kind in ("ok", "error") and frame.get("id") in self._answers:
            self._answers[frame["id"]].set_result(frame)
        elif kind.startswith("stream."):
            self._stream_frame(frame)
        else:
            self.frames.append(frame)
            if kind == "hello":
                self.hello = frame
            elif kind == "heartbeat" and self.pongs:
                await self.send_raw('{"type":"pong"}')
            elif kind == "conversation.changed":
                self._conversation_changed(frame)

    def _stream_frame(self, frame: Frame) -> None:
        if self.view(frame["generation"]).apply(frame) == "hole" and self.heal:
            self._spawn(self.subscribe(frame["generation"]))

    def _conversation_changed(self, frame: Frame) -> None:
        known = self.conversations.setdefault(frame["conversation"], {"messages": {}})
        if frame.get("complete"):
            known["messages"] = {}
        known.update({name: frame[name] for name in ("revision", "title", "participants") if name in frame})
        known["messages"].update({message["id"]: message for message in frame["messages"]})
        for message_id in frame["removed"]:
            known["messages"].pop(message_id, None)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
