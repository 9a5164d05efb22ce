"""The sending side of one socket: numbered envelopes, a bounded outbox, a window, one writer, and its deadlines.

Frames come in as JSON text and leave as they came; nothing is encoded per viewer. Whoever has a frame puts it into the
outbox and returns at once, so a slow client never holds up another. What a socket takes without waiting is sent in the
loop's next turn; the writer is a task, and does whatever has to wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from streaming import conf, flusher, metrics
from streaming import heartbeat as ticker
from streaming.flow_control import Outbox, SendWindow, size_of

ENVELOPE_BYTES: Final = 65_536
PONG_TIMEOUT_S: Final = 30.0
#: A socket that does not take anything does not take its close frame either.
CLOSE_TIMEOUT_S: Final = 1.0

CLOSE_SLOW: Final = 4008
CLOSE_NO_PONG: Final = 4408

Send = Callable[[dict[str, Any]], Awaitable[None]]
log = logging.getLogger(__name__)


class Connection:
    """`send` is the server's own ASGI callable. `heartbeat` makes the next heartbeat frame; without it none are sent.

    `closed` is set when nothing can be sent any more, for whatever reason: the consumer should then end.
    """

    def __init__(
        self,
        send: Send,
        *,
        heartbeat: Callable[[], str] | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        settings = conf.get()
        self._settings = settings
        self._ticker, self._flusher = ticker.get(), flusher.get()
        self._send = send
        self._heartbeat = heartbeat
        self._now = now or self._ticker_time
        self._outbox = Outbox(settings.outbox_max_bytes)
        self._window = SendWindow(settings.send_window_bytes, ENVELOPE_BYTES)
        self._wake: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._is_flushing = self._is_gone = False
        #: An envelope on its way, for the writer to wait for.
        self._begun: flusher.Begun | None = None
        self._waiting_for_room: list[Callable[[], None]] = []
        self._stalled_since: float | None = None
        self._pong_due: float | None = None
        self._last_heartbeat = self._now()
        self._closing = False
        self.close_code: int | None = None
        self.closed = asyncio.Event()
        #: How many live streams this socket watches: they set the pace of its heartbeats.
        self.live_streams = 0

    @property
    def waiting_bytes(self) -> int:
        """Queued, or sent and not yet acknowledged."""
        return self._outbox.size + self._window.in_flight

    def start(self) -> None:
        """Start the writer. Call it once the socket is accepted."""
        self._writer = asyncio.create_task(self._run(), name="socket writer")
        self._ticker.add(self)

    def deliver(self, frame: str, size: int | None = None) -> bool:
        """Queue a frame. False: no room, nothing was queued; see `when_room`."""
        if self._closing or not self._outbox.put(frame, size_of(frame) if size is None else size):
            return False
        if self._wake is not None:
            self._flush_soon()
        return True

    def send_frame(self, frame: str) -> None:
        """Queue a control frame: it is admitted however full the outbox is."""
        if self._closing:
            return
        if not self._outbox.put_control(frame, size_of(frame)):
            self._give_up(CLOSE_SLOW)
        elif self._wake is not None:
            self._flush_soon()

    def when_room(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, when a good part of the outbox is free. Never within this call."""
        self._waiting_for_room.append(callback)

    def ack(self, n: int) -> None:
        """Envelopes up to `n` have arrived. Raises ValueError for one that was never sent."""
        if self._window.ack(n):
            if self._stalled_since is not None:
                self._stalled_since = self._now()
            if self._wake is not None:
                self._flush_soon()

    def pong(self) -> None:
        self._pong_due = None

    async def close(self, code: int) -> None:
        """Send what is queued as far as the window allows, then the close frame. Never raises; 2 s at most."""
        if not self._closing:
            self._closing, self.close_code = True, code
            self._rouse()
        if not await self._ended_within(CLOSE_TIMEOUT_S):
            self._give_up(self.close_code or code)
            await self._ended_within(CLOSE_TIMEOUT_S)

    async def aclose(self) -> None:
        """The socket is gone: end the writer. Safe to call at any time and more than once."""
        self._closing = True
        if self._writer is not None:
            self._writer.cancel()
            await self._ended_within(CLOSE_TIMEOUT_S)
        self._end()

    def tick(self, now: float) -> None:
        """Called by the process's ticker: deadlines, then the heartbeat."""
        if self._closing:
            return
        if self._stalled_since is not None and now - self._stalled_since > self._settings.send_timeout_s:
            self._give_up(CLOSE_SLOW)
        elif self._pong_due is not None and now > self._pong_due:
            self._give_up(CLOSE_NO_PONG)
        elif self._heartbeat is not None and now - self._last_heartbeat >= self._heartbeat_period():
            self._last_heartbeat = now
            self._pong_due = self._pong_due or now + PONG_TIMEOUT_S
            self.send_frame(self._heartbeat())

    def _ticker_time(self) -> float:
        return self._ticker.now

    def _heartbeat_period(self) -> float:
        return self._settings.heartbeat_live_s if self.live_streams else self._settings.heartbeat_idle_s

    async def _run(self) -> None:
        try:
            await self._write()
            await self._say_goodbye()
        except asyncio.CancelledError:
            await self._say_goodbye()
        except Exception:
            log.exception("a socket's writer failed")
        finally:
            self._end()

    async def _write(self) -> None:
        while not self._is_gone:
            if self._begun is not None:
                begun, self._begun = self._begun, None
                await self._wait_for(begun)
            elif self._outbox and self._window.is_open:
                await self._wait_for(self._send(self._envelope()))
            elif self._closing:
                return
            else:
                await self._pause(stalled=bool(self._outbox))

    def _envelope(self) -> dict[str, Any]:
        frames, size = self._outbox.take(ENVELOPE_BYTES)
        n = self._window.sent(size)
        self._stalled_since = self._now()
        return {"type": "websocket.send", "text": f'{{"n":{n},"frames":[{",".join(frames)}]}}'}

    async def _wait_for(self, sending: Awaitable[None]) -> None:
        try:
            await sending
        except Exception as error:
            self._lose(error)
        else:
            self._sent()

    def flush(self) -> None:
        """Called by the flusher. A writer at work sends what came meanwhile by itself."""
        self._is_flushing = False
        while self._rests and self._outbox and self._window.is_open and not self._closing:
            try:
                self._begun = flusher.begin(self._send(self._envelope()))
            except Exception as error:
                self._lose(error)
                break
            if self._begun is not None:
                break
            self._sent()
        if self._is_gone or self._closing or self._outbox or self._begun is not None:
            self._rouse()

    @property
    def _rests(self) -> bool:
        return self._wake is not None and not self._wake.done()

    def _sent(self) -> None:
        self._stalled_since = None
        if self._waiting_for_room and self._outbox.has_room:
            self._call_those_waiting()

    def _lose(self, error: Exception) -> None:
        """Whatever a server raises when its client is gone."""
        log.debug("a socket is gone: %r", error)
        self._is_gone, self.close_code = True, None

    async def _pause(self, *, stalled: bool) -> None:
        """Until there is something to send and room for it. A shut window is a stall: it has a deadline, which what is
        queued meanwhile does not move."""
        if not stalled:
            self._stalled_since = None
        elif self._stalled_since is None:
            self._stalled_since = self._now()
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _flush_soon(self) -> None:
        if not self._is_flushing:
            self._is_flushing = True
            self._flusher.add(self)

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _call_those_waiting(self) -> None:
        waiting, self._waiting_for_room = self._waiting_for_room, []
        for callback in waiting:
            callback()

    def _give_up(self, code: int) -> None:
        """Close without waiting for what is queued: the client does not take it."""
        self._closing, self.close_code = True, code
        if code == CLOSE_SLOW:
            metrics.slow_client()
        self._outbox.clear()
        if self._writer is not None:
            self._writer.cancel()

    async def _say_goodbye(self) -> None:
        if self.close_code is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._send({"type": "websocket.close", "code": self.close_code})
        except Exception as error:
            log.debug("a socket did not take its close frame: %r", error)

    async def _ended_within(self, seconds: float) -> bool:
        if self._writer is None or self._writer is asyncio.current_task():
            return True
        done, _ = await asyncio.wait({self._writer}, timeout=seconds)
        return bool(done)

    def _end(self) -> None:
        self._closing = True
        self._ticker.discard(self)
        self._outbox.clear()
        self._waiting_for_room.clear()
        self.closed.set()
