"""Who is in a group now, as far as all processes know: kept in Redis alone, and only for as long as it is said again.

Each process says it of its own members; whoever dies is forgotten within `TTL_S`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from streaming import keys, redis_client

TTL_S: Final = 50.0
#: Groups in one round trip.
BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Said:
    """What one process says of a group: who is there, and who was and is not any more."""

    group: str
    here: frozenset[int]
    gone: frozenset[int] = frozenset()


class PresenceStore:
    def __init__(self, redis: Redis, process: str, now: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._process = process
        self._now = now

    async def say(self, said: Sequence[Said]) -> dict[str, frozenset[int]]:
        """Say it, and hear who is in these groups by all processes. Raises RedisError and OSError."""
        present: dict[str, frozenset[int]] = {}
        for start in range(0, len(said), BATCH):
            present |= await self._say(said[start : start + BATCH])
        return present

    async def _say(self, said: Sequence[Said]) -> dict[str, frozenset[int]]:
        now = self._now()
        async with self._redis.pipeline(transaction=False) as pipe:
            for one in said:
                key = keys.presence(one.group)
                if one.gone:
                    pipe.zrem(key, *map(self._member, one.gone))
                if one.here:
                    pipe.zadd(key, {self._member(member): now + TTL_S for member in one.here})
                    pipe.pexpire(key, int(TTL_S * 1000))
                pipe.zrange(key, f"({now}", "+inf", byscore=True)  # others may have died since
            answers = [answer for answer in await pipe.execute() if isinstance(answer, list)]
        return {one.group: frozenset(map(_id, members)) for one, members in zip(said, answers, strict=True)}

    def _member(self, member: int) -> str:
        return f"{member}.{self._process}"


def open_store() -> PresenceStore:
    """That of this process, on the running loop."""
    return PresenceStore(redis_client.get(), secrets.token_hex(4))


def _id(member: bytes) -> int:
    return int(member.partition(b".")[0])
