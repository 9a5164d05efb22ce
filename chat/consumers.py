"""The WebSocket: who is let in, how frames become commands, and what each of them may cost.

A Channels consumer that reads for itself: Channels' `dispatch` passes every message through one thread of the process,
and a consumer that joins groups costs a channel each. Here only real commands cross to the database, and the process's
hub is the only one that joins groups.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from channels.consumer import AsyncConsumer
from django.db import InterfaceError, OperationalError
from redis import RedisError

from chat import model_waits, restart, revalidation, sockets
from chat.command_fields import MESSAGE_MAX_CHARS
from chat.command_handlers import CONVERSATIONS_PER_SOCKET, CommandHandlers
from chat.commands import Ack, Command, CommandError, CommandId, Pong, parse_command
from chat.events import Error, Frame, Hello, Ok, SentenceData, encode
from chat.rate_limit import Strikes, TokenBucket
from chat.selectors import now, person
from chat.sockets import ChatSocket
from chat.strict_json import FRAME_MAX_BYTES
from streaming import conf
from streaming.cancellation import cancel
from streaming.connection import Connection, Send
from streaming.errors import StreamingError
from streaming.events import PROTOCOL_VERSION
from streaming.per_loop import PerLoop
from streaming.subscription import Subscriptions
from streaming.web_now import Report

SUBPROTOCOL: Final = "chat.v1"
CLOSE_TOO_FAST: Final = 4429
CLOSE_SESSION_ENDED: Final = 4501
CLOSE_TOO_MANY_SOCKETS: Final = 4504
CLOSE_BAD_FRAMES: Final = 4505

COMMANDS_PER_S: Final = 100 / 60
COMMANDS_BURST: Final = 20
#: An honest client acknowledges each 64 KiB: this is 32 MiB/s.
ACKS_PER_S: Final = 500
ACKS_BURST: Final = 2000
STRIKES: Final = 3
STRIKES_PERIOD_S: Final = 60.0
#: A command that runs when its socket goes away may finish: what it has written must still be told to others.
FINISH_S: Final = 5.0

_AWAY: Final = (RedisError, OSError, OperationalError, InterfaceError)  # TimeoutError is an OSError
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
log = logging.getLogger(__name__)

#: What this process says of its sockets.
_report: Final = PerLoop(lambda: Report(lambda: len(sockets.get().all)))


class ChatConsumer(AsyncConsumer):
    """One socket of one person, from `hello` to its end."""

    channel_layer_alias = None  # type: ignore[assignment]  # the process's hub joins groups

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        """The ASGI application of `/ws/v1/`, one instance per socket."""
        try:
            await receive()  # websocket.connect
            if await self._admit(scope, send):
                await self._serve(receive)
        except OSError as error:  # uvicorn's word for a client that is gone
            log.debug("a socket ended: %r", error)

    async def _admit(self, scope: Scope, send: Send) -> bool:
        """Whoever is refused is accepted first: only then can a browser see a code."""
        if SUBPROTOCOL not in scope.get("subprotocols", ()):
            await send({"type": "websocket.close"})  # a browser could not make sense of what follows: an HTTP 403
            return False
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        if not scope["user"].is_authenticated or not scope["user"].is_active:
            await send({"type": "websocket.close", "code": CLOSE_SESSION_ENDED})
            return False
        self._open(scope, send)
        if not sockets.get().add(self.socket):
            await send({"type": "websocket.close", "code": CLOSE_TOO_MANY_SOCKETS})
            return False
        return True

    async def _serve(self, receive: Receive) -> None:
        try:
            await self._run(receive)
        except asyncio.CancelledError:
            if not self.connection.closed.is_set():
                raise
        finally:
            # Whatever happened: an exception of send or receive, a cancelled task, an ordinary end.
            await self._clean_up()

    def _open(self, scope: Scope, send: Send) -> None:
        user, now_s = scope["user"], asyncio.get_running_loop().time()
        self.socket = ChatSocket(user, person(user), scope["session"].session_key, asyncio.current_task())
        self.connection = self.socket.connection = Connection(send, heartbeat=self.socket.heartbeat)
        self.socket.streams = Subscriptions(self.connection)
        self._handlers = CommandHandlers(self.socket)
        self._commands: deque[tuple[Command, CommandId]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._ignoring = False
        self._bucket = TokenBucket(COMMANDS_PER_S, COMMANDS_BURST, now_s)
        self._acks = TokenBucket(ACKS_PER_S, ACKS_BURST, now_s)
        self._strikes = Strikes(STRIKES, STRIKES_PERIOD_S)

    async def _run(self, receive: Receive) -> None:
        """Until the client is gone."""
        self.connection.start()
        self._tell(self._hello())
        asyncio.get_running_loop().call_soon(model_waits.get().tell, self.socket)  # `hello` is alone in its envelope
        revalidation.start()
        _report.get().start()
        restart.prepare()
        if sockets.get().restarting:  # it came between the hint and the end
            self.connection.send_frame(restart.hint(len(sockets.get().all)))
        while (message := await receive())["type"] != "websocket.disconnect":
            if not self._ignoring:
                self._take(message.get("text"))

    async def _clean_up(self) -> None:
        """Leave nothing behind. Safe whatever state it is in."""
        sockets.get().remove(self.socket)
        self._commands.clear()
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=FINISH_S)
        if self._worker is not None:
            await cancel(self._worker, within_s=FINISH_S)
        for conversation in self.socket.watched():
            self.socket.leave(conversation)
        self.socket.leave_list()
        await self.socket.streams.aclose()
        await self.connection.aclose()

    def _hello(self) -> Hello:
        settings = conf.get()
        return Hello(
            protocol=PROTOCOL_VERSION,
            user=self.socket.person,
            server_time=now(),
            heartbeat_s=settings.heartbeat_idle_s,
            limits={
                "frame_bytes": FRAME_MAX_BYTES,
                "message_chars": MESSAGE_MAX_CHARS,
                "subscriptions": CONVERSATIONS_PER_SOCKET,
                "window_bytes": settings.send_window_bytes,
            },
        )

    def _take(self, text: str | None) -> None:
        """One frame. Nothing here waits: a slow command never holds up an acknowledgement."""
        now_s = asyncio.get_running_loop().time()
        try:
            if text is None:
                raise CommandError("bad_frame", "Frames are text, not binary.")
            command, id = parse_command(text)
            if isinstance(command, Ack):
                self._acknowledge(command)
        except CommandError as error:
            self._refuse(error, now_s)
            return
        if isinstance(command, Pong):
            self.connection.pong()
        if not command.ANSWERED:
            self._allow(self._acks, now_s)
        elif self._allow(self._bucket, now_s):
            self._commands.append((command, id))
            if self._worker is None:
                self._worker = asyncio.create_task(self._work())

    def _acknowledge(self, ack: Ack) -> None:
        try:
            self.connection.ack(ack.n)
        except ValueError:
            raise CommandError("bad_field", "This envelope was never sent.") from None

    def _allow(self, bucket: TokenBucket, now_s: float) -> bool:
        allowed = bucket.take(now_s)
        if not allowed:
            self._end(CLOSE_TOO_FAST)
        return allowed

    def _refuse(self, error: CommandError, now_s: float) -> None:
        self._tell(Error(id=error.id, code=error.code, message=error.message))
        if error.strike and self._strikes.strike(now_s):
            self._end(CLOSE_BAD_FRAMES)
        else:
            self._allow(self._bucket, now_s)

    def _end(self, code: int) -> None:
        """Nothing more is read. The close frame follows what is queued, without holding up the reader."""
        self._ignoring = True
        self._commands.clear()
        sockets.get().in_background(self.connection.close(code))

    async def _work(self) -> None:
        """Commands of one socket happen in the order in which they came. The task lives only while there are some."""
        try:
            while self._commands:
                await self._answer(*self._commands.popleft())
        finally:
            self._worker = None

    async def _answer(self, command: Command, id: CommandId) -> None:
        assert id is not None  # parse_command saw to it

        def reply(**result: Any) -> None:
            self._tell(Ok(id=id, result=result))

        try:
            await self._handlers.handle(command, reply)
        except StreamingError as error:
            worded: list[SentenceData] = [{"text": one.text, "values": {**one.values}} for one in error.sentences]
            self._tell(Error(id=id, code=error.code, message=error.message, retryable=error.retryable,
                             retry_after_s=error.retry_after_s, sentences=worded or None))  # fmt: skip
        except _AWAY as error:
            log.warning("%s failed: %s", command.TYPE, type(error).__name__)
            self._tell(Error(id=id, code="unavailable", message="This is not possible right now. Try again soon.",
                             retryable=True, retry_after_s=2.0))  # fmt: skip
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]  # one line, not a page per frame
            log.error("%s failed: %r at %s:%s", command.TYPE, error, place.filename, place.lineno)
            self._tell(Error(id=id, code="internal", message="Something went wrong here."))

    def _tell(self, frame: Frame) -> None:
        self.connection.send_frame(encode(frame))
