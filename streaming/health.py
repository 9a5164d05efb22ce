"""Whether a process can do its work: what it needs answers, each within a second or two."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from channels.layers import get_channel_layer
from django.db import connection

from streaming import database, redis_client
from streaming.per_loop import PerLoop

WITHIN_S: Final = 2.0
FRESH_S: Final = 1.0
"""Probes come from several sides: what is this old is told again."""


async def database_answers() -> None:
    await database.call(_select)


def _select() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


async def redis_answers() -> None:
    await cast(Awaitable[Any], redis_client.get().ping())


class LayerProbe:
    """A message to ourselves, through a channel that is kept: opening one for each look would leave them behind."""

    def __init__(self) -> None:
        self._channel = ""
        self._turn = asyncio.Lock()

    async def __call__(self) -> None:
        layer: Any = get_channel_layer()
        async with self._turn:
            channel = self._channel or await layer.new_channel("health.")
            self._channel = ""  # a look that is given up takes the channel with it
            word = secrets.token_hex(4)
            await layer.send(channel, {"type": "health.probe", "word": word})
            while (await layer.receive(channel)).get("word") != word:
                pass
            self._channel = channel


class Health:
    """Of one process and loop. `problems` names what does not answer."""

    def __init__(self) -> None:
        self._looks: dict[str, Callable[[], Awaitable[None]]] = {
            "database": database_answers,
            "redis": redis_answers,
            "channel layer": LayerProbe(),
        }
        self._known: list[str] = []
        self._known_at = float("-inf")
        self._turn = asyncio.Lock()

    async def problems(self) -> list[str]:
        now = asyncio.get_running_loop().time
        async with self._turn:
            if now() - self._known_at > FRESH_S:
                answers = await asyncio.gather(*(self._answers(look) for look in self._looks.values()))
                self._known = [name for name, answered in zip(self._looks, answers, strict=True) if not answered]
                self._known_at = now()
            return self._known

    async def _answers(self, look: Callable[[], Awaitable[None]]) -> bool:
        try:
            async with asyncio.timeout(WITHIN_S):
                await look()
        except Exception:  # whatever it is, the answer is no; its own module logs why
            return False
        return True


_healths: Final = PerLoop(Health)


async def problems() -> list[str]:
    """What this process needs and does not get; empty: it is ready."""
    return await _healths.get().problems()
