"""A client that writes down what it sees and comes back whatever happens to its socket, as the browser does."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from websockets.exceptions import WebSocketException

from streaming.events import Position
from tests.acceptance.chat_client import ChatClient, CommandFailed, Frame
from tests.acceptance.stream_view import Outcome, StreamView
from tests.reliability.history import History, sha8

BACKOFF_S = (0.05, 0.2, 0.5, 1.0)
CONNECTED_WITHIN_S = 30.0
AWAY = (OSError, WebSocketException, TimeoutError, AssertionError, CommandFailed)


class NaiveView(StreamView):
    """Takes every text and block as the next one, and looks at text alone."""

    def _event(self, frame: Frame) -> Outcome:
        if frame["type"] in ("stream.delta", "stream.block"):
            self.position = Position.parse(frame["position"])
            self.text += frame.get("text", "")
            return "applied"
        return super()._event(frame)


class Reader(ChatClient):
    """`async with` keeps it connected until the end of the block; `follow_stream` keeps a stream subscribed."""

    def __init__(
        self, name: str, history: History, url: str, *, cookie: str, origin: str, seed: int = 0, naive: bool = False
    ) -> None:
        super().__init__(url, cookie=cookie, origin=origin)
        #: It believes whatever comes: what protects it then is the server alone.
        self.naive = naive
        self.name, self.log = name, history
        self.conn = 0
        #: Close codes of sockets that it lost, oldest first.
        self.lost_with: list[int] = []
        #: What must never happen in a client: envelopes out of order, frames that cannot be read.
        self.defects: list[str] = []
        #: Each envelope takes it so long: a poor line.
        self.slow_s = 0.0
        #: There is a socket, and it was greeted.
        self.online = asyncio.Event()
        self.followed: set[str] = set()
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._random = random.Random(f"{name} {seed}")
        self._keeper: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()

    # Connections

    async def __aenter__(self) -> Reader:
        await self.connect()
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        with contextlib.suppress(*AWAY):
            await asyncio.wait_for(self.close(), 5)
        await self._leave()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def connect(self) -> Frame:
        await self._leave()
        self.conn += 1
        try:
            hello = await super().connect()
        except BaseException:
            await self._leave()
            raise
        self.log.add(self.name, self.conn, "connect")
        self.online.set()
        return hello

    async def drop(self) -> None:
        self.online.clear()
        await super().drop()

    async def _leave(self) -> None:
        """Nothing of a socket before may speak for the next one."""
        self.online.clear()
        if self._socket is not None:
            self._socket.transport.abort()
        if self._reader is not None:
            self._reader.cancel()
            for error in await asyncio.gather(self._reader, return_exceptions=True):
                if isinstance(error, Exception):
                    self.defects.append(f"{self.name}: {error!r}")
        self._socket = self._reader = None

    async def _envelope(self, message: str | bytes) -> None:
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        await super()._envelope(message)

    async def _keep(self) -> None:
        failures, is_unheard = 0, False
        while True:
            if self.close_code is None:
                async with self._changed:
                    await self._changed.wait_for(lambda: self.close_code is not None)
            self.log.add(self.name, self.conn, "close", kind=str(self.close_code))
            if self.close_code is not None and not is_unheard:
                self.lost_with.append(self.close_code)
            try:
                await asyncio.wait_for(self.connect(), CONNECTED_WITHIN_S)
                failures, is_unheard = 0, False
            except AWAY:
                is_unheard = self.close_code is None  # there was no socket yet that could have been lost
                self.close_code = self.close_code or 1006
                failures += 1
                await asyncio.sleep(BACKOFF_S[min(failures, 3)] * (0.5 + self._random.random()))
                continue
            for stream in sorted(self.followed):
                if self.view(stream).end is None:
                    self._spawn(self._subscribe_until_it_works(stream, self.conn))

    # Streams

    def view(self, generation: str) -> StreamView:
        if self.naive and generation not in self.streams:
            self.streams[generation] = NaiveView(generation)
        return super().view(generation)

    async def follow_stream(self, stream: str) -> None:
        self.followed.add(stream)
        await self._subscribe_until_it_works(stream, self.conn)

    async def _subscribe_until_it_works(self, stream: str, conn: int) -> None:
        """On this connection; the next one does it anew. One at a time: two that know nothing yet would both be told
        everything."""
        while self.conn == conn and self.close_code is None and self.view(stream).end is None:
            try:
                async with self._asking[stream]:
                    await self.subscribe(stream)
                return
            except (*AWAY, ConnectionError) as error:
                if isinstance(error, CommandFailed) and not error.frame.get("retryable"):
                    self.defects.append(f"{self.name}: a subscription to {stream} was refused: {error}")
                    return
                await asyncio.sleep(0.3)

    async def ended_somewhere(self, stream: str, timeout_s: float = 150) -> StreamView:
        """As `ended`, on whichever socket: a connection that closes meanwhile is for the keeper to mend."""
        view = self.view(stream)
        await self.until_somewhere(lambda: view.end is not None, "the end of the stream", timeout_s)
        assert view.is_whole, f"{len(view.text)} characters that are not the text of the end"
        return view

    async def until_somewhere(self, holds: Callable[[], bool], what: str, timeout_s: float = 150) -> None:
        """As `until`, on whichever socket."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(holds)
        except TimeoutError:
            raise AssertionError(f"{what} did not come within {timeout_s:g} s") from None

    async def told_of_the_end(self, stream: str, timeout_s: float = 150) -> StreamView:
        """Waits for an end of any kind, also of a text that is not the row's: the checker judges that."""
        view = self.view(stream)
        await self.until_somewhere(lambda: view.end is not None, "an end of the stream", timeout_s)
        return view

    async def subscribe(self, generation: str) -> Frame:
        answer = await super().subscribe(generation)
        epoch, recovered = answer["epoch"] or "", bool(answer["recovered"])
        self.log.add(self.name, self.conn, "sub", stream=generation, epoch=epoch, recovered=recovered)
        return answer

    async def ask(self, conversation: str, text: str, **fields: Any) -> str:
        message = fields.setdefault("client_message_id", str(uuid.uuid4()))
        generation = await super().ask(conversation, text, **fields)
        if generation:
            self.log.add(self.name, self.conn, "accept", stream=generation, kind=message)
        return generation

    def _stream_frame(self, frame: Frame) -> None:
        stream, view = frame["generation"], self.view(frame["generation"])
        common = {name: frame[name] for name in ("position", "follows") if name in frame}
        common |= {"stream": stream, "kind": frame["type"], "epoch": frame.get("epoch") or view.epoch or ""}
        common["recovered"] = frame.get("recovered", True)
        text = frame.get("text", "")
        self.log.add(self.name, self.conn, "recv", **common, length=len(text), sha8=sha8(text))
        outcome = view.apply(frame)
        if outcome == "hole":
            self._spawn(self._subscribe_until_it_works(stream, self.conn))
        elif outcome == "applied" and "position" in frame and frame.get("last", True):
            self.log.add(self.name, self.conn, "apply", **common, length=len(view.text), sha8=sha8(view.text))
