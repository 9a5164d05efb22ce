"""The open sockets of this process: whose they are, what they watch, and delivery to them without the channel layer."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final
from uuid import UUID

from chat.events import Heartbeat, ListHeadData, PersonData, encode
from chat.selectors import now
from streaming.connection import Connection
from streaming.hub import Membership
from streaming.per_loop import PerLoop
from streaming.subscription import Subscriptions

SOCKETS_PER_USER: Final = 10
CONVERSATION: Final = "conversation."
log = logging.getLogger(__name__)


def conversation_group(conversation_id: UUID | str) -> str:
    return f"{CONVERSATION}{conversation_id}"


def person_group(user_id: int) -> str:
    """What concerns one person wherever they are: their list of conversations."""
    return f"person.{user_id}"


class ChatSocket:
    """One open socket. The sets of what it watches are also what `revalidation` checks the rights of."""

    def __init__(self, user: Any, person: PersonData, session_key: str, task: asyncio.Task[Any] | None) -> None:
        self.user = user
        self.person = person
        self.session_key = session_key
        #: The consumer's own task: ended from outside if the server does not notice that the client is gone.
        self.task = task
        self.connection: Connection
        self.streams: Subscriptions
        #: Watched conversations, with the newest revision seen in the database.
        self.conversations: dict[str, Membership] = {}
        self.revisions: dict[str, int] = {}
        #: The person's list of conversations, if this socket watches it, with its head in the database.
        self.list: Membership | None = None
        self.list_head: ListHeadData | None = None
        #: How others hear that it has left a conversation.
        self.present: dict[str, Callable[[], None]] = {}
        #: To which conversation each watched stream belongs.
        self.stream_homes: dict[str, str] = {}

    def watched(self) -> set[str]:
        """The conversations it must be allowed to read."""
        # A stream ends by itself; its home is forgotten here.
        self.stream_homes = {stream: home for stream, home in self.stream_homes.items() if stream in self.streams}
        return {*self.conversations, *self.stream_homes.values()}

    def heartbeat(self) -> str:
        return encode(
            Heartbeat(
                server_time=now(),
                streams=self.streams.live(),
                conversations=[{"conversation": key, "revision": known} for key, known in self.revisions.items()],
                list_head=self.list_head,
            )
        )

    def seen(self, conversation: str, revision: int) -> None:
        """A revision found in the database: the next heartbeat tells it."""
        if conversation in self.conversations:
            self.revisions[conversation] = max(revision, self.revisions.get(conversation, 0))

    def leave(self, conversation: str) -> None:
        """Watch it and its streams no more."""
        self.leave_conversation(conversation)
        for generation in [stream for stream, home in self.stream_homes.items() if home == conversation]:
            self.leave_stream(generation)

    def leave_conversation(self, conversation: str) -> None:
        if membership := self.conversations.pop(conversation, None):
            membership.leave()
        if go := self.present.pop(conversation, None):
            go()
        self.revisions.pop(conversation, None)
        get().forget(self, conversation_group(conversation))

    def leave_list(self) -> None:
        if self.list is not None:
            self.list.leave()
        self.list = self.list_head = None
        get().forget(self, person_group(self.user.pk))

    def leave_stream(self, generation: str) -> None:
        if self.stream_homes.pop(generation, None) is not None:
            self.streams.close(generation)


class Sockets:
    """All of them; see `get`."""

    def __init__(self) -> None:
        self.all: set[ChatSocket] = set()
        self._per_user: Counter[int] = Counter()
        self._watching: dict[str, set[ChatSocket]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        #: The running task of `revalidation`, if there are sockets.
        self.revalidation: asyncio.Task[None] | None = None
        #: The process was asked to end: see `restart`.
        self.restarting = False

    def add(self, socket: ChatSocket) -> bool:
        """False: this user has too many already."""
        if self._per_user[socket.user.pk] >= SOCKETS_PER_USER:
            return False
        self._per_user[socket.user.pk] += 1
        self.all.add(socket)
        return True

    def remove(self, socket: ChatSocket) -> None:
        if socket in self.all:
            self.all.discard(socket)
            self._per_user[socket.user.pk] -= 1
            if not self._per_user[socket.user.pk]:
                del self._per_user[socket.user.pk]

    def watch(self, socket: ChatSocket, group: str) -> None:
        self._watching.setdefault(group, set()).add(socket)

    def forget(self, socket: ChatSocket, group: str) -> None:
        watching = self._watching.get(group, set())
        watching.discard(socket)
        if not watching:
            self._watching.pop(group, None)

    def deliver_here(self, group: str, frame: str) -> None:
        """Hand a frame to this process's viewers of a conversation or list, for when the layer is away. Whom it does
        not reach, the heartbeat tells."""
        for socket in self._watching.get(group, ()):
            socket.connection.deliver(frame)

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run it to its end, whatever becomes of the socket that asked for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("work in the background failed", exc_info=error)


#: The sockets of the running loop.
get: Final = PerLoop(Sockets).get
