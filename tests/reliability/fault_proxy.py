"""A proxy that spoils connections on purpose, for TCP and unix sockets: between processes and Valkey, clients and web.

It runs on an event loop of its own thread, so that tests of any colour may turn its knobs at any time. A fault applies
to the connections that exist and to those that come.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Address = tuple[str, int] | Path
Direction = Literal["both", "up", "down"]
CHUNK_BYTES = 65_536
#: Of its own thread, on any machine.
ANSWERS_WITHIN_S = 60.0
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Toxics:
    """What happens to bytes on their way. `up` is towards the server, `down` towards the client."""

    #: Nobody is let in; who is in is put out.
    down: bool = False
    latency_s: float = 0.0
    #: 0: as fast as it goes.
    bytes_per_s: int = 0
    #: Half-open: connections are accepted and kept, nothing passes and nobody is told.
    silent: Direction | None = None
    #: The other side hears of a close so much later.
    slow_close_s: float = 0.0
    #: Pieces of at most so many bytes (0: as they come).
    slice_bytes: int = 0
    #: After so many bytes in one direction the connection is closed (0: never).
    limit_bytes: int = 0


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy: FaultProxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._proxy, self._writers = proxy, (client, server)
        self._limited = asyncio.Event()

    async def carry(self, client: asyncio.StreamReader, server: asyncio.StreamReader) -> None:
        pumps = [
            asyncio.create_task(self._pump(client, self._writers[1], "up")),
            asyncio.create_task(self._pump(server, self._writers[0], "down")),
            asyncio.create_task(self._limited.wait()),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(self._proxy.toxics.slow_close_s)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self.close()
            await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(self._proxy.toxics.slice_bytes or CHUNK_BYTES):
                await self._delay(len(data), way)
                limit = self._proxy.toxics.limit_bytes
                if limit and passed + len(data) >= limit:
                    writer.write(data[: limit - passed])
                    self._limited.set()
                    return
                passed += len(data)
                writer.write(data)
                await writer.drain()

    async def _delay(self, size: int, way: Direction) -> None:
        toxics = self._proxy.toxics
        if toxics.latency_s:
            await asyncio.sleep(toxics.latency_s)
        if toxics.bytes_per_s:
            await asyncio.sleep(size / toxics.bytes_per_s)
        while self._proxy.toxics.silent in (way, "both"):
            await self._proxy.changed_from(self._proxy.toxics)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()

    def reset(self) -> None:
        """RST instead of FIN, where the family knows it."""
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            if not writer.is_closing() and sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class FaultProxy:
    """`with FaultProxy(upstream, listen) as proxy:` `proxy.set(latency_s=0.2)`, `proxy.heal()`, `proxy.reset()`."""

    def __init__(self, upstream: Address, listen: Address = ("127.0.0.1", 0)) -> None:
        self.upstream, self.listen = upstream, listen
        self.toxics = Toxics()
        self.links: set[Link] = set()
        #: Connections accepted so far.
        self.accepted = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        self._changed = asyncio.Event()
        self._server = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(ANSWERS_WITHIN_S)
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(ANSWERS_WITHIN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWERS_WITHIN_S)
        self._loop.close()

    @property
    def address(self) -> tuple[str, int] | Path:
        if isinstance(self.listen, Path):
            return self.listen
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    # Knobs, from any thread; done when they return.

    def set(self, **toxics: object) -> None:
        """Change some toxics; the others stay."""
        self._apply(lambda: self._become(replace(self.toxics, **toxics)))  # type: ignore[arg-type]

    def heal(self) -> None:
        self._apply(lambda: self._become(Toxics()))

    def reset(self) -> None:
        """Cut every connection at once, rudely."""
        self._apply(lambda: [link.reset() for link in list(self.links)])

    def _apply(self, change: Callable[[], object]) -> None:
        async def on_the_loop() -> None:
            change()

        asyncio.run_coroutine_threadsafe(on_the_loop(), self._loop).result(ANSWERS_WITHIN_S)

    def _become(self, toxics: Toxics) -> None:
        self.toxics = toxics
        self._changed.set()
        self._changed = asyncio.Event()
        if toxics.down:
            for link in list(self.links):
                link.close()

    async def changed_from(self, toxics: Toxics) -> None:
        while self.toxics is toxics:
            await self._changed.wait()

    # Connections

    async def _serve(self) -> asyncio.Server:
        if isinstance(self.listen, Path):
            return await asyncio.start_unix_server(self._take, str(self.listen))
        return await asyncio.start_server(self._take, *self.listen)

    async def _stop(self) -> None:
        self._server.close()
        for link in list(self.links):
            link.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if isinstance(self.listen, Path):
            self.listen.unlink(missing_ok=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.accepted += 1
        with contextlib.suppress(asyncio.CancelledError):
            await self._link(reader, writer)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.toxics.down:
                raise ConnectionRefusedError
            upstream = await self._open()
        except OSError:
            writer.transport.abort()
            return
        link = Link(self, writer, upstream[1])
        self.links.add(link)
        try:
            await link.carry(reader, upstream[0])
        finally:
            self.links.discard(link)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.upstream, Path):
            return await asyncio.open_unix_connection(str(self.upstream))
        return await asyncio.open_connection(*self.upstream)
