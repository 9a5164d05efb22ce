"""Who looks at a conversation now, told to those who do: `presence.changed`. One per process and event loop: see `get`.

Nothing of it is ever stored but in Redis, for less than a minute. Frames are made once per conversation and at most
once per `PAUSE_S`, however many come and go; a reload is over before anybody was missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

from redis import RedisError

from chat import sockets
from chat.events import PresenceChanged, encode
from chat.sockets import conversation_group
from streaming import fanout
from streaming.per_loop import PerLoop
from streaming.presence import Said, open_store

#: Comings and goings within it are told together.
PAUSE_S: Final = 0.3
#: Whoever is back within it was never gone.
LEAVE_S: Final = 2.0
#: Said again this often, well within the store's TTL; what was missed is heard then.
AGAIN_S: Final = 20.0
log = logging.getLogger(__name__)


class Presence:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._store = open_store()
        self._tabs: dict[str, Counter[int]] = {}
        self._gone: dict[str, set[int]] = {}
        self._heard: dict[str, frozenset[int]] = {}
        self._news: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()

    def come(self, conversation: str, user: int) -> Callable[[], None]:
        """Somebody opened a conversation of several people; call the result once when they leave it."""
        self._tabs.setdefault(conversation, Counter())[user] += 1
        self._gone.get(conversation, set()).discard(user)
        self._tell(conversation)

        def go() -> None:
            self._loop.call_later(LEAVE_S, self._leave, conversation, user)

        return go

    def _leave(self, conversation: str, user: int) -> None:
        tabs = self._tabs[conversation]
        tabs[user] -= 1
        if tabs[user]:
            return
        del tabs[user]
        if not tabs:
            del self._tabs[conversation]
        self._gone.setdefault(conversation, set()).add(user)
        self._tell(conversation)

    def _tell(self, conversation: str) -> None:
        self._news.add(conversation)
        self._woken.set()
        if self._task is None:
            self._task = self._loop.create_task(self._run(), name="presence")

    async def _run(self) -> None:
        try:
            while self._tabs or self._news:
                with contextlib.suppress(TimeoutError):  # no news: what is known is said again
                    async with asyncio.timeout(AGAIN_S):
                        await self._woken.wait()
                await asyncio.sleep(PAUSE_S)
                await self._round()
        finally:
            self._task = None

    async def _round(self) -> None:
        news, self._news = self._news, set()
        self._woken.clear()
        asked = news or set(self._tabs)
        gone = {conversation: frozenset(self._gone.pop(conversation, ())) for conversation in asked}
        said = [Said(key, frozenset(self._tabs.get(key, ())), gone[key]) for key in asked]
        try:
            present = await self._store.say(said)
        except (RedisError, OSError) as error:  # who is here is not known now: said again in the next round
            log.warning("presence is not known: %s", type(error).__name__)
            return
        for key, people in present.items():
            await self._pass_on(key, people, is_news=key in news)

    async def _pass_on(self, key: str, people: frozenset[int], *, is_news: bool) -> None:
        is_known = self._heard.get(key) == people
        if key in self._tabs:
            self._heard[key] = people
        else:
            self._heard.pop(key, None)
        frame = encode(PresenceChanged(conversation=key, people=sorted(people)))
        if is_news:
            await fanout.broadcast(conversation_group(key), frame)
        elif not is_known:  # another process died, or its word was lost
            sockets.get().deliver_here(conversation_group(key), frame)


#: That of the running loop.
get: Final = PerLoop(Presence).get
