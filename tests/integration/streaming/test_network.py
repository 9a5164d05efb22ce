"""Plain reads: in use where answers are read, over TLS too, with the deadline and the errors of the library's own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpcore2
import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from httpcore2._backends.anyio import AnyIOStream

from streaming import conf
from streaming.providers.network import PlainNetwork, PlainStream
from streaming.providers.transport import http_client

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with http_client(conf.get()) as client:
        yield client


@asynccontextmanager
async def serving(answer: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await answer(reader, writer)
        writer.close()

    async with await asyncio.start_server(one, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def three_parts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    for part in (b"one ", b"two ", b"three"):
        writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def test_reads_have_no_scope_of_their_own(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a new version of the library moves things, this says that nobody reads plainly any more."""

    async with serving(three_parts) as port, client.stream("GET", f"http://127.0.0.1:{port}/") as response:
        assert isinstance(response.extensions["network_stream"], PlainStream)
        monkeypatch.setattr(anyio, "fail_after", _refuse)
        assert await response.aread() == b"one two three"


async def test_they_work_over_tls(client: httpx2.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(self_signed())
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    async with serving(three_parts, server_side) as port, http_client(conf.get()) as trusting:
        async with trusting.stream("GET", f"https://127.0.0.1:{port}/") as response:
            assert isinstance(response.extensions["network_stream"], PlainStream)
            assert await response.aread() == b"one two three"
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            await client.get(f"https://127.0.0.1:{port}/")


async def test_a_silent_server_is_left_at_the_deadline(client: httpx2.AsyncClient) -> None:
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"3\r\none\r\n")
        await writer.drain()
        assert await reader.read() == b""
        left.set()

    deadline = httpx2.Timeout(5.0, read=0.1)
    async with serving(silent) as port, client.stream("GET", f"http://127.0.0.1:{port}/", timeout=deadline) as response:
        with pytest.raises(httpx2.ReadTimeout):
            await response.aread()
        await asyncio.wait_for(left.wait(), 60)


async def test_the_deadline_is_that_of_each_read(client: httpx2.AsyncClient) -> None:
    """Together they may take as long as they like; and a shorter one is kept where a longer one was before."""
    pauses_s, left = [0.15] * 4, asyncio.Semaphore(0)

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        for pause_s in pauses_s:
            writer.write(b"3\r\none\r\n")
            await writer.drain()
            await asyncio.sleep(pause_s)
        writer.write(b"0\r\n\r\n")
        left.release()

    async with serving(slow) as port:
        address = f"http://127.0.0.1:{port}/"
        assert (await client.get(address, timeout=httpx2.Timeout(5.0, read=0.5))).text == "one" * 4
        pauses_s[-1] = 2.0
        with pytest.raises(httpx2.ReadTimeout):
            await client.get(address, timeout=httpx2.Timeout(5.0, read=0.5))
        stream = await PlainNetwork().connect_tcp("127.0.0.1", port)
        await stream.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await stream.read(65_536, timeout=60.0)
        for _ in pauses_s[1:]:
            await stream.read(65_536, timeout=60.0)
        with pytest.raises(httpcore2.ReadTimeout):
            await stream.read(65_536, timeout=0.3)
        await stream.aclose()
        async with asyncio.timeout(60):
            for _ in range(3):
                await left.acquire()


async def test_a_connection_that_is_reset_is_a_read_error(client: httpx2.AsyncClient) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"3\r\none\r\n")
        await writer.drain()
        writer.transport.abort()

    async with serving(reset) as port, client.stream("GET", f"http://127.0.0.1:{port}/") as response:
        with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
            await response.aread()


async def test_a_connection_that_its_server_left_serves_nobody_again(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an idle one that was not left does, without a search through the library's attributes."""
    served: list[asyncio.StreamWriter] = []
    ended = asyncio.Semaphore(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                served.append(writer)
                await three_parts(reader, writer)
        writer.close()
        ended.release()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert (await client.get(address)).text == "one two three"
        monkeypatch.setattr(AnyIOStream, "get_extra_info", _refuse)
        assert (await client.get(address)).text == "one two three"
        monkeypatch.undo()
        assert served[0] is served[1]
        served[0].close()
        await served[0].wait_closed()
        assert (await client.get(address)).text == "one two three"
        assert served[2] is not served[0]
        await client.aclose()
        async with asyncio.timeout(60):
            await ended.acquire()
            await ended.acquire()


def _refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("the library's own way")


def self_signed() -> bytes:
    """A certificate for 127.0.0.1 and its key, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    unencrypted = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)
    return private + certificate.public_bytes(serialization.Encoding.PEM)
