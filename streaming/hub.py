"""One channel-layer subscription per group for the whole process, one decode per message, then local hand-over.

A thousand viewers of one stream cost the layer as much as one. Three traps decide the shape (DESIGN 9):

- A timeout on, or a cancelled, `layer.receive` deletes the channel and what waits in it: one task receives, for ever.
- `group_add` returns before the server has processed SUBSCRIBE: a marker published through the group proves it.
- A first join and a last leave that cross would end subscribed to nothing: one task per group does both, in turn.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any, Final

from channels.layers import get_channel_layer

from streaming import conf
from streaming.errors import StreamingError
from streaming.per_loop import PerLoop

#: A marker may overtake its SUBSCRIBE, or be lost with the connection.
MARKER_PERIOD_S: Final = 0.05
RETRY_S: Final = 0.5
RETRY_MAX_S: Final = 5.0
#: The pump lets others run after this long, even if the layer has more.
SLICE_S: Final = 0.01

Message = dict[str, Any]
Callback = Callable[[Message], None]
log = logging.getLogger(__name__)


class NotProven(StreamingError):
    """It could not be shown in time that messages of the group arrive here. Trying again is right."""

    code = "not_proven"
    message = "Live events are not available right now."
    retryable = True


class Membership:
    """A callback's place in a group. Messages may come from the first moment; `proven` says that none is left out."""

    def __init__(self, group: Group) -> None:
        self._group = group

    async def proven(self) -> None:
        """Wait until everything published from now on arrives. Raises NotProven after `group_proof_timeout_s`."""
        proof = self._group.proof
        if not proof.done():
            await asyncio.wait({proof}, timeout=conf.get().group_proof_timeout_s)
        if not proof.done():
            raise NotProven

    def leave(self) -> None:
        """Safe to call more than once. The group stays subscribed for a while: reloads come back within it."""
        self._group.leave(self)


class Group:
    """Members of one group, and the one task that subscribes and unsubscribes it."""

    def __init__(self, hub: Hub, name: str) -> None:
        self._hub = hub
        self._linger: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._wanted = True
        self.name = name
        self.members: dict[Membership, Callback] = {}
        self.token = ""
        self.proof: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def join(self, callback: Callback) -> Membership:
        membership = Membership(self)
        self.members[membership] = callback
        self._wanted = True
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._reconcile()
        return membership

    def leave(self, membership: Membership) -> None:
        was_member = self.members.pop(membership, None) is not None
        if was_member and not self.members:
            self._linger = asyncio.get_running_loop().call_later(conf.get().group_linger_s, self._abandon)

    def _abandon(self) -> None:
        self._linger = None
        self._wanted = False
        self._reconcile()

    def _reconcile(self) -> None:
        if self._task is None and self._wanted != self.proof.done():
            self._task = asyncio.create_task(self._follow_wish(), name=f"group {self.name}")

    async def _follow_wish(self) -> None:
        """Subscribe and unsubscribe until what is matches what is wanted; a wish may change during either."""
        while True:
            if self._wanted and not self.proof.done():
                await self._subscribe()
            elif not self._wanted:
                self.proof = asyncio.get_running_loop().create_future()
                await self._hub.unsubscribe(self.name)
                if not self._wanted:
                    break
            else:
                break
        self._task = None
        if not self._wanted:
            self._hub.forget(self)

    async def _subscribe(self) -> None:
        """Until proven or not wanted any more, however long the layer is away. Waiters have their own deadline."""
        delay = RETRY_S
        while self._wanted and not self.proof.done():
            try:
                await self._hub.subscribe(self.name)
                await self._prove()
            except Exception as error:
                log.warning("group %s is not subscribed yet: %r", self.name, error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MAX_S)
                # The layer sends SUBSCRIBE only for what it believes not to be subscribed; it may be mistaken.
                await self._hub.unsubscribe(self.name)

    async def _prove(self) -> None:
        self.token = secrets.token_hex(8)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + conf.get().group_proof_timeout_s
        while self._wanted and not self.proof.done():
            if loop.time() > deadline:
                raise NotProven
            await self._hub.publish(self.name, {"type": "hub.marker", "g": self.name, "m": self.token})
            await asyncio.wait({self.proof}, timeout=MARKER_PERIOD_S)

    def marker_seen(self, token: str) -> None:
        if token == self.token and not self.proof.done():
            self.proof.set_result(None)


class Hub:
    """One per process and event loop: see `get`."""

    def __init__(self) -> None:
        self._layer: Any = get_channel_layer()
        self._groups: dict[str, Group] = {}
        self._opening = asyncio.Lock()
        self._channel: str | None = None
        self._pump_task: asyncio.Task[None] | None = None

    def join(self, group: str, callback: Callback) -> Membership:
        """Have `callback(message)` called for each message of the group. It must return quickly and not raise."""
        entry = self._groups.get(group)
        if entry is None:
            entry = self._groups[group] = Group(self, group)
        return entry.join(callback)

    async def subscribe(self, group: str) -> None:
        async with self._opening:  # concurrent first joins would each open a channel
            if self._channel is None:
                self._channel = await self._layer.new_channel("hub")
                self._pump_task = asyncio.create_task(self._pump(self._channel), name="hub pump")
        await self._layer.group_add(group, self._channel)

    async def unsubscribe(self, group: str) -> None:
        try:
            if self._channel is not None:
                await self._layer.group_discard(group, self._channel)
        except Exception as error:  # the layer counts us out before it tells the server: stray messages do no harm
            log.warning("group %s is not unsubscribed: %r", group, error)

    async def publish(self, group: str, message: Message) -> None:
        await self._layer.group_send(group, message)

    def forget(self, group: Group) -> None:
        if self._groups.get(group.name) is group:
            del self._groups[group.name]

    async def _pump(self, channel: str) -> None:
        loop = asyncio.get_running_loop()
        receive = self._layer.receive
        failures = 0
        turn_ends = loop.time() + SLICE_S
        while True:
            try:
                self._hand_over(await receive(channel))
                failures = 0
            except Exception:  # for example a message that is not ours and does not decode
                if not failures:
                    log.exception("the hub could not receive; it goes on")
                await asyncio.sleep(min(RETRY_S * failures, RETRY_MAX_S))
                failures += 1
            if loop.time() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = loop.time() + SLICE_S

    def _hand_over(self, message: Message) -> None:
        group = self._groups.get(message.get("g", ""))
        if group is None:
            return
        if message["type"] == "hub.marker":
            group.marker_seen(message["m"])
            return
        for callback in list(group.members.values()):
            try:
                callback(message)
            except Exception:
                log.exception("a member of group %s failed", group.name)


#: The hub of the running loop.
get: Final = PerLoop(Hub).get
