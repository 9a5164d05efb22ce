"""The proxy's faults are what they are called: each is seen by a client of an echo server behind it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.reliability.fault_proxy import FaultProxy

WAIT_S = 60.0


class Echo:
    """A server that says everything again, until the test's end."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.tasks: list[asyncio.Task[None] | None] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.tasks.append(asyncio.current_task())
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def aclose(self) -> None:
        await close(*self.writers)
        await asyncio.gather(*(task for task in self.tasks if task), return_exceptions=True)


async def close(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await asyncio.wait_for(self.reader.readexactly(len(data)), WAIT_S)

    async def hears_the_end(self, timeout_s: float = WAIT_S) -> bool:
        try:
            return await asyncio.wait_for(self.reader.read(1), timeout_s) == b""
        except ConnectionResetError:
            return True


class Bed:
    """An echo server behind a proxy, and its clients."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy, self.clients = proxy, list[Client]()

    async def connect(self) -> Client:
        address = self.proxy.address
        opening = (
            asyncio.open_unix_connection(str(address))
            if isinstance(address, Path)
            else asyncio.open_connection(*address)
        )
        self.clients.append(Client(*await opening))
        return self.clients[-1]


@pytest.fixture(params=["tcp", "unix"])
async def bed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bed]:
    echo = Echo()
    if request.param == "tcp":
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        proxy = FaultProxy(server.sockets[0].getsockname()[:2])
    else:
        server = await asyncio.start_unix_server(echo, str(tmp_path / "server"))
        proxy = FaultProxy(tmp_path / "server", tmp_path / "proxy")
    with proxy:
        bed = Bed(proxy)
        yield bed
        await close(*(client.writer for client in bed.clients))
    server.close()
    await echo.aclose()


async def test_without_a_fault_everything_passes(bed: Bed) -> None:
    client = await bed.connect()
    data = bytes(range(256)) * 2000
    assert await client.ask(data) == data
    assert bed.proxy.accepted == 1


async def test_latency_delays_each_way(bed: Bed) -> None:
    client = await bed.connect()
    bed.proxy.set(latency_s=0.1)
    started = time.monotonic()
    await client.ask(b"slow")
    assert time.monotonic() - started >= 0.2


async def test_bandwidth_is_bounded(bed: Bed) -> None:
    client = await bed.connect()
    bed.proxy.set(bytes_per_s=20_000)
    started = time.monotonic()
    await client.ask(bytes(4000))
    assert time.monotonic() - started >= 0.4


async def test_down_puts_out_who_is_in_and_lets_nobody_in_until_it_is_healed(bed: Bed) -> None:
    client = await bed.connect()
    await client.ask(b"in")
    bed.proxy.set(down=True)
    assert await client.hears_the_end()
    assert await (await bed.connect()).hears_the_end()
    bed.proxy.heal()
    client = await bed.connect()
    assert await client.ask(b"back") == b"back"


async def test_half_open_keeps_the_connection_and_says_nothing(bed: Bed) -> None:
    client = await bed.connect()
    await client.ask(b"before")
    bed.proxy.set(silent="both")
    client.writer.write(b"lost?")
    with pytest.raises(TimeoutError):
        await client.hears_the_end(0.2)
    bed.proxy.heal()
    assert await asyncio.wait_for(client.reader.readexactly(5), WAIT_S) == b"lost?"


async def test_reset_cuts_rudely(bed: Bed) -> None:
    client = await bed.connect()
    await client.ask(b"in")
    bed.proxy.reset()
    if isinstance(bed.proxy.address, Path):
        assert await client.hears_the_end()  # unix sockets know no reset
    else:
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(client.reader.read(1), WAIT_S)


async def test_slicing_changes_no_byte(bed: Bed) -> None:
    client = await bed.connect()
    bed.proxy.set(slice_bytes=3)
    data = "häppchenweise 👩‍💻".encode() * 50
    assert await client.ask(data) == data


async def test_a_limit_of_bytes_closes_after_exactly_so_many(bed: Bed) -> None:
    client = await bed.connect()
    bed.proxy.set(limit_bytes=10)
    client.writer.write(bytes(9))
    assert await asyncio.wait_for(client.reader.readexactly(9), WAIT_S) == bytes(9)
    client.writer.write(bytes(9))
    rest = b""
    with contextlib.suppress(ConnectionResetError):
        rest = await asyncio.wait_for(client.reader.read(), WAIT_S)
    assert len(rest) <= 1


async def test_a_close_is_told_late(bed: Bed) -> None:
    client = await bed.connect()
    await client.ask(b"in")
    bed.proxy.set(slow_close_s=0.3)
    started = time.monotonic()
    client.writer.write_eof()
    assert await client.hears_the_end()
    assert time.monotonic() - started >= 0.3
