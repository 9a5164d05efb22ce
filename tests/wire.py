"""A faulty wire: a unix socket in front of Valkey that loses a reply, or everything, when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path


class FaultyWire:
    def __init__(self, upstream: Path, path: Path) -> None:
        self.url = f"unix://{path}"
        #: A reply was lost as `lose_reply_to` asked.
        self.lost = asyncio.Event()
        self._upstream, self._path = upstream, path
        self._wanted: bytes | None = None
        self._is_cut = False
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self._path)

    async def aclose(self) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [task for task in self._open.values() if task is not None]
        self.cut()
        await asyncio.gather(*tasks, return_exceptions=True)

    def lose_reply_to(self, text: bytes) -> None:
        """The next request that contains `text` is carried out, but its reply never arrives: the connection breaks."""
        self.lost.clear()
        self._wanted = text

    def cut(self) -> None:
        """Break all connections and let no new one through."""
        self._is_cut = True
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        try:
            if not self._is_cut:
                await self._join(reader, writer)
        finally:
            del self._open[writer]
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(self._upstream)
        loses = asyncio.Event()
        pumps = [
            asyncio.create_task(self._requests(reader, up_writer, loses)),
            asyncio.create_task(self._replies(up_reader, writer, loses)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            up_writer.transport.abort()

    async def _requests(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, loses: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if self._wanted is not None and self._wanted in data:
                    self._wanted = None
                    loses.set()
                sink.write(data)

    async def _replies(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, loses: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if loses.is_set():
                    self.lost.set()
                    return
                sink.write(data)
