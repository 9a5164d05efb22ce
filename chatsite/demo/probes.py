"""Questions to a starting demo: does Valkey answer, does a page answer? Each try has its own short deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import redis
from redis.asyncio import Redis

from chatsite.demo.options import DemoError

PERIOD_S = 0.03
TRY_S = 5.0


async def until(answers: Callable[[], Awaitable[bool]], missing: Callable[[], str], timeout_s: float) -> None:
    """Raises DemoError, which names what is `missing` then."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await answers():  # noqa: ASYNC110 - other processes cannot set an event of ours
                await asyncio.sleep(PERIOD_S)
    except TimeoutError:
        raise DemoError(f"{missing()} did not answer within {timeout_s:g} s.") from None


async def valkey_answers(client: Redis) -> bool:
    try:
        return bool(await client.ping())
    except (redis.RedisError, OSError):  # not there yet, or still reading its file
        return False


async def page_answers(url: str) -> bool:
    """A whole page through Django and the database, as a browser would ask for it."""
    address = urlsplit(url)
    request = f"GET /accounts/login/ HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(TRY_S):
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(request.encode())
            status = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in status
