"""What keys ask for, from the moment it is accepted: it ends when its key is revoked, or its owner deactivated.

Those who do that end it themselves, in their own commit (`revoking`). Here is what they cannot see: requests that were
let in just before, and people who were deactivated by what sends no signal, such as a bulk update. For these every web
process looks every 4 s, as `chat.revalidation` does for sockets, from the first request that it accepts until nothing
lives that a key asked for. A process that ends meanwhile leaves it to whichever accepts the next one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from chat import sockets
from chat.api import revoking
from chat.api.models import ApiKey
from streaming import database
from streaming.per_loop import PerLoop

PERIOD_S: Final = 4.0
log = logging.getLogger(__name__)


def accepted(key: ApiKey) -> None:
    """After the commit that accepted a request of this key."""
    sockets.get().in_background(revoking.end_if_withdrawn(key))
    _watches.get().begin()


class _Watch:
    def __init__(self) -> None:
        self._is_new = False
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._is_new = True  # perhaps the round that runs just now has looked too early to see it
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="watch over keys")

    async def _run(self) -> None:
        lives = True
        while lives or self._is_new:
            self._is_new = False
            await asyncio.sleep(PERIOD_S)
            lives = await look()
        self._task = None


async def look() -> bool:
    """One round. False: nothing is left to watch over."""
    try:
        for user_id in await database.call(revoking.people_to_end):
            await revoking.end_of_person(user_id)
        return await database.call(revoking.anything_lives)
    except Exception as error:  # the database is away: later
        log.warning("the standing of keys' owners could not be checked: %r", error)
        return True


_watches: Final = PerLoop(_Watch)
