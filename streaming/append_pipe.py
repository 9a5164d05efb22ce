"""The append commands of one worker process: a connection of their own, a batch out, its replies back.

A pipeline of redis-py's costs more per batch than the server takes for it: a task for the write, a deadline for each
reply, every argument packed in Python. Here hiredis packs, one write sends, and one deadline holds for the whole batch.
Connecting, authentication, TLS and the parser stay redis-py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import hiredis
from redis import ResponseError

from streaming import redis_client

ANSWER_S: Final = 5.0

Command = tuple[str | bytes | int, ...]


class AppendPipe:
    """For one caller at a time. It opens its connection with the first batch, and again after any failure."""

    def __init__(self) -> None:
        self._connection = redis_client.connection()

    async def call(self, commands: Sequence[Command]) -> list[Any]:
        """A reply for each command; what the server refuses is the ResponseError. Raises RedisError, OSError and
        TimeoutError when it is away: then nobody knows which of the commands ran."""
        packed = b"".join([hiredis.pack_command(words) for words in commands])  # type: ignore[arg-type]
        # Replies that nobody read would be taken for those of the next batch: whatever interrupts a write or a read,
        # redis-py closes the connection itself.
        async with asyncio.timeout(ANSWER_S):
            await self._connection.send_packed_command(packed, check_health=False)
            return [await self._reply() for _ in commands]

    async def aclose(self) -> None:
        await self._connection.disconnect(nowait=True)

    async def _reply(self) -> Any:
        try:
            return await self._connection.read_response()
        except ResponseError as refused:
            return refused
