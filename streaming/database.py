"""The way from an event loop to the ORM: sync functions in a small pool of threads of our own.

Channels and asgiref run all ORM work of a process in one shared thread, where one slow query stalls every socket.
SQLite has one writer anyway and gets one thread (and one beside it, see `write_ahead`); PostgreSQL gets four. Each
thread keeps its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from django.db import connection, connections

from streaming import conf
from streaming.write_ahead import WriteAhead

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger(__name__)

CALL_TIMEOUT_S: Final = 10.0
_executor: ThreadPoolExecutor | None = None
_write_ahead: WriteAhead | None = None


def _pool() -> ThreadPoolExecutor:
    global _executor, _write_ahead
    if _executor is None:
        is_sqlite = connection.vendor == "sqlite"
        _executor = ThreadPoolExecutor(1 if is_sqlite else 4, thread_name_prefix="database")
        if is_sqlite:
            _write_ahead = WriteAhead(str(connection.settings_dict["NAME"]))
            _write_ahead.start()
    return _executor


def _run(work: Callable[[], T]) -> T:
    if connection.errors_occurred:  # after a failure the connection may be dead: let Django find out and reconnect
        connection.close_if_unusable_or_obsolete()
    return work()


async def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` in the pool. Raises what it raises, and TimeoutError after 10 s (it may still finish then)."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CALL_TIMEOUT_S):
        return await loop.run_in_executor(_pool(), _run, partial(function, *args, **kwargs))


async def call_to_end(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Like `call`, for a move that must not succeed unseen: waits for what became of it. The database's own timeouts
    bound that."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), _run, partial(function, *args, **kwargs))


async def persist(work: Callable[[], T]) -> T:
    """Write to the row, however long the database is away: as long as the log, too, keeps the text for viewers."""
    pause_s, deadline = 0.1, asyncio.get_running_loop().time() + conf.get().log_ttl_s
    while True:
        try:
            return await call(work)
        except Exception as error:
            if asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("the database refused a write (%s), trying again", type(error).__name__)
            await asyncio.sleep(pause_s)
            pause_s = min(2.0, pause_s * 2)


def shutdown() -> None:
    """Close the threads' connections and end the pool; the next `call` makes a new one."""
    global _executor, _write_ahead
    pool, _executor = _executor, None
    write_ahead, _write_ahead = _write_ahead, None
    if write_ahead is not None:
        write_ahead.end()
    if pool is not None:
        everybody = threading.Barrier(pool._max_workers)
        for _ in range(pool._max_workers):
            pool.submit(_close_connections, everybody)
        pool.shutdown()


def _close_connections(everybody: threading.Barrier) -> None:
    # Without waiting for the others, one quick thread would take all these calls and the others keep what they hold.
    with contextlib.suppress(threading.BrokenBarrierError):
        everybody.wait(CALL_TIMEOUT_S)
    connections.close_all()
