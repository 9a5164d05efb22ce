"""The only maker of Redis clients. One per event loop: a client belongs to the loop that opened its sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from streaming import conf

T = TypeVar("T")
COMMAND_TIMEOUT_S: Final = 2.0
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()


def make(*, connections: int, timeout_s: float = COMMAND_TIMEOUT_S) -> Redis:
    """A client of one's own. It never retries by itself: redis-py would repeat a command that may have run (ours are
    safe to repeat, but how long to wait is our decision). A blocking pool waits where the default one raises."""
    pool = BlockingConnectionPool.from_url(
        conf.get().redis_url,
        max_connections=connections,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


def connection() -> AbstractConnection:
    """One connection without a pool, for whoever has a deadline of his own; it opens with its first command."""
    pool = BlockingConnectionPool.from_url(
        conf.get().redis_url,
        socket_timeout=None,
        socket_connect_timeout=COMMAND_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    made: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
    return made


def get() -> Redis:
    """The shared client of the running loop. Raises redis.RedisError within 2 s when Redis is away."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = make(connections=16)
    return client


def ask(work: Callable[[Redis], Awaitable[T]], timeout_s: float = COMMAND_TIMEOUT_S) -> T:
    """From sync code that no loop is waiting for, such as an administrator's page: a loop and a client that end with
    the call, and whatever else `work` opens in that loop. Raises RedisError, OSError, and TimeoutError when it takes
    longer."""

    async def asked() -> T:
        client = make(connections=4, timeout_s=min(timeout_s, COMMAND_TIMEOUT_S))
        try:
            async with asyncio.timeout(timeout_s):
                return await work(client)
        finally:
            await client.aclose()
            await aclose()

    return asyncio.run(asked())


async def aclose() -> None:
    """Close the running loop's shared client, if there is one."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()
