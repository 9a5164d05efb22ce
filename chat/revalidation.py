"""Rights withdrawn from open sockets: within 5 s of logout, deactivation, a new password or removal.

Bulk updates send no signal, so the database is asked: one task per process, one batch of queries for all its sockets.
The same batch brings the revisions and the heads of lists that the heartbeats carry, which heals a lost
`conversation.changed` or `list.changed`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone

from chat import deletion, repeats, sockets
from chat.conversation_list import list_heads
from chat.events import Error, encode
from chat.models import Participant
from chat.sockets import ChatSocket, Sockets
from streaming import database

PERIOD_S: Final = 4.0
CLOSE_SESSION_ENDED: Final = 4501
#: Ids in one query: both databases take more, but plans and locks stay small.
BATCH: Final = 1000
#: Heads of lists are read for a fifth of the people in each round: heartbeats of idle sockets are not more frequent.
LIST_ROUNDS: Final = 5
SLICE: Final = 500
"""Sockets looked at before the loop gets another turn."""
REMOVED: Final = "You no longer take part in this conversation."
PURGE_EVERY_S: Final = 600.0
T = TypeVar("T")
_purge_at = 0.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds now, of all that was asked about."""

    sessions: set[str]
    #: Of active people: whoever's password changed has no session left.
    passwords: dict[int, str]
    #: Of everybody's conversations: (conversation, user) to its revision.
    revisions: dict[tuple[str, int], int]


def read_standing(session_keys: list[str], user_ids: list[int], conversations: list[str]) -> Standing:
    standing = Standing(set(), {}, {})
    for batch in _batches(session_keys):
        alive = Session.objects.filter(session_key__in=batch, expire_date__gt=timezone.now())
        standing.sessions.update(alive.values_list("session_key", flat=True))
    for ids in _batches(user_ids):
        active = get_user_model().objects.filter(pk__in=ids, is_active=True)
        standing.passwords.update(active.values_list("pk", "password"))
    users = set(user_ids)
    for batch in _batches(conversations):
        rows = Participant.objects.filter(conversation_id__in=batch, conversation__deleted_at__isnull=True)
        for conversation, user, revision in rows.values_list("conversation_id", "user_id", "conversation__revision"):
            if user in users:
                standing.revisions[str(conversation), user] = revision
    return standing


def _batches(items: list[T]) -> Iterable[list[T]]:
    return (items[at : at + BATCH] for at in range(0, len(items), BATCH))


def start() -> None:
    """Have this process's sockets checked for as long as there are any."""
    registry = sockets.get()
    if registry.revalidation is None:
        registry.revalidation = asyncio.create_task(_run(registry), name="revalidation")


async def _run(registry: Sockets) -> None:
    rounds = itertools.cycle(range(LIST_ROUNDS))
    while registry.all:
        await asyncio.sleep(PERIOD_S)
        try:
            await check(registry)
            await look_at_lists(registry, next(rounds))
            await purge_if_due()
        except Exception as error:  # the database is away: nobody can have been removed since
            log.warning("rights could not be checked: %r", error)
    registry.revalidation = None


async def check(registry: Sockets) -> None:
    """One round. What is opened while the database is asked was checked when it was opened and waits for the next."""
    for socket in [socket for socket in registry.all if socket.connection.closed.is_set()]:
        if socket.task is not None:
            socket.task.cancel()  # the server has not noticed that this client is gone
    asked = [(socket, socket.watched()) for socket in registry.all]
    standing = await database.call(
        read_standing,
        list({socket.session_key for socket, _ in asked}),
        list({socket.user.pk for socket, _ in asked}),
        list({conversation for _, watched in asked for conversation in watched}),
    )
    for count, (socket, watched) in enumerate(asked, 1):
        _judge(registry, socket, watched, standing)
        if count % SLICE == 0:
            await asyncio.sleep(0)


async def purge_if_due() -> None:
    """Deleted conversations go for good after a while, and so does what was kept of commands; the first process to look
    then does it, others find nothing."""
    global _purge_at
    now_s = asyncio.get_running_loop().time()
    if now_s >= _purge_at:
        _purge_at = now_s + PURGE_EVERY_S
        await database.call(deletion.purge)
        await database.call(repeats.purge)


async def look_at_lists(registry: Sockets, part: int) -> None:
    """The heads of the lists that are watched here, of every fifth person."""
    asked = [socket for socket in registry.all if socket.list is not None and socket.user.pk % LIST_ROUNDS == part]
    for sockets_of_batch in _batches(asked):
        heads = await database.call(list_heads, {socket.user.pk for socket in sockets_of_batch})
        for socket in sockets_of_batch:
            if socket.list is not None:
                socket.list_head = heads[socket.user.pk]


def _judge(registry: Sockets, socket: ChatSocket, watched: set[str], standing: Standing) -> None:
    user = socket.user
    if socket.session_key not in standing.sessions or standing.passwords.get(user.pk) != user.password:
        for conversation in socket.watched():
            socket.leave(conversation)
        socket.leave_list()
        registry.in_background(socket.connection.close(CLOSE_SESSION_ENDED))
        return
    for conversation in watched:
        revision = standing.revisions.get((conversation, user.pk))
        if revision is not None:
            socket.seen(conversation, revision)
        elif conversation in socket.watched():
            socket.leave(conversation)
            socket.connection.send_frame(encode(Error(code="forbidden", message=REMOVED, conversation=conversation)))
