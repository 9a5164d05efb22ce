"""The network of the SDKs' clients over aiohttp: TLS, the deadline of each read, what its failures are called here."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import anthropic
import httpx2
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from streaming import conf
from streaming.providers.transport import http_client, unreadable
from tests.free_port import free_port

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CLIENTS = (openai.DefaultAioHttpClient, anthropic.DefaultAioHttpClient)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PATIENT = httpx2.Timeout(60.0)
SHORT = httpx2.Timeout(60.0, read=0.1)


@pytest.fixture(params=CLIENTS)
def make(request: pytest.FixtureRequest) -> type[httpx2.AsyncClient]:
    kind: type[httpx2.AsyncClient] = request.param
    return kind


@pytest.fixture
async def client(make: type[httpx2.AsyncClient]) -> AsyncIterator[httpx2.AsyncClient]:
    async with http_client(conf.get(), make) as client:
        yield client


@asynccontextmanager
async def serving(answer: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await answer(reader, writer)
        writer.close()

    async with await asyncio.start_server(one, "127.0.0.1", 0, ssl=context) as server:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def three_parts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    for part in (b"one ", b"two ", b"three"):
        writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def code_of(client: httpx2.AsyncClient, address: str, timeout: httpx2.Timeout = PATIENT) -> str:
    """What the failure of a request is called here."""
    with pytest.raises(httpx2.HTTPError) as failed:
        await client.get(address, timeout=timeout)
    return unreadable(failed.value).code


async def test_a_certificate_is_checked_against_those_that_the_environment_names(
    make: type[httpx2.AsyncClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(self_signed())
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    async with serving(three_parts, server_side) as address:
        async with http_client(conf.get(), make) as client:
            assert await code_of(client, address) == "provider_unavailable"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with http_client(conf.get(), make) as client:
            assert (await client.get(address, timeout=PATIENT)).text == "one two three"


async def test_a_proxy_of_the_environment_is_used(
    make: type[httpx2.AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(three_parts) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        async with http_client(conf.get(), make) as client:
            assert (await client.get("http://model.invalid/", timeout=PATIENT)).text == "one two three"


@pytest.mark.parametrize("said", [b"", HEAD, HEAD + b"3\r\none\r\n"], ids=["nothing", "a head", "a part"])
async def test_a_silent_server_is_left_at_the_deadline(client: httpx2.AsyncClient, said: bytes) -> None:
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        assert await reader.read() == b""
        left.set()

    async with serving(silent) as address:
        assert await code_of(client, address, SHORT) == "provider_timeout"
        await asyncio.wait_for(left.wait(), 60)


async def test_a_server_that_is_left_in_the_middle_hears_of_it(client: httpx2.AsyncClient) -> None:
    left = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"3\r\none\r\n")
        await writer.drain()
        assert await reader.read() == b""
        left.set()

    async with serving(endless) as address:
        async with client.stream("GET", address, timeout=PATIENT) as response:
            async for part in response.aiter_bytes():
                assert part == b"one"
                break
        await asyncio.wait_for(left.wait(), 60)


async def test_the_deadline_is_that_of_each_read() -> None:
    """Together they may take longer than it."""
    deadline_s, together_s = 5.0, 6.0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        for _ in range(60):
            writer.write(b"1\r\na\r\n")
            await writer.drain()
            await asyncio.sleep(together_s / 60)
        writer.write(b"0\r\n\r\n")

    async with serving(slow) as address, http_client(conf.get(), CLIENTS[0]) as client:
        assert (await client.get(address, timeout=httpx2.Timeout(60.0, read=deadline_s))).text == "a" * 60


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", "connection_lost"),
        (HEAD, "connection_lost"),
        (HEAD + b"3\r\none\r\n", "connection_lost"),
        (HEAD + b"three\r\none\r\n", "provider_garbled"),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "provider_garbled"),
    ],
    ids=["nothing", "a head", "a part", "a bad size", "no HTTP"],
)
@pytest.mark.parametrize("is_reset", [False, True])
async def test_what_breaks_off_or_is_no_http_has_its_name(
    client: httpx2.AsyncClient, said: bytes, code: str, is_reset: bool
) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        if is_reset and code == "connection_lost":
            writer.transport.abort()

    async with serving(break_off) as address:
        # What is none of httpx2's errors the SDKs wrap as well.
        with pytest.raises((httpx2.HTTPError, aiohttp.ClientError)) as failed:
            await client.get(address, timeout=PATIENT)
        assert unreadable(failed.value).code == code


async def test_where_nobody_listens_the_provider_is_not_there(client: httpx2.AsyncClient) -> None:
    assert await code_of(client, f"http://127.0.0.1:{free_port()}/") == "provider_unavailable"
    assert await code_of(client, "http://model.invalid/") == "provider_unavailable"


async def test_a_connection_that_its_server_left_serves_nobody_again(client: httpx2.AsyncClient) -> None:
    """And an idle one that was not left does."""
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
        for _ in range(2):
            assert (await client.get(address, timeout=PATIENT)).text == "one two three"
        assert served[0] is served[1]
        served[0].close()
        await served[0].wait_closed()
        await asyncio.wait_for(ended.acquire(), 60)
        assert (await client.get(address, timeout=PATIENT)).text == "one two three"
        assert served[2] is not served[0]
        await client.aclose()
        await asyncio.wait_for(ended.acquire(), 60)


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
