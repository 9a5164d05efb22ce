"""Changing a conversation: one lock, one revision per transaction, one frame for everybody after the commit.

The frame is made inside the transaction (its content is what was committed) and sent outside of it by `carry_out`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import timezone

from chat import sockets
from chat.access import NotFound, User, check_role
from chat.conversation_list import list_frames
from chat.events import ConversationChanged, encode
from chat.models import Conversation, Message
from chat.selectors import Here, changed_since, conversation_changed, everybody, messages_by_id
from chat.sockets import CONVERSATION, conversation_group
from streaming import fanout, services
from streaming.events import Queued
from streaming.events import encode as encode_stream
from streaming.hooks import AfterEnd
from streaming.prepared import Update, insert, prepared, prepared_update

log = logging.getLogger(__name__)
HEAD_START_S: Final = 0.01
"""Of a start over the news: each delays the other on the loop. Usually it is over by then."""
QUEUE_IS_AWAY: Final = "The queue is not reachable. Your question is kept and runs as soon as it is back."


def lock(conversation_id: UUID, *, deleted: bool = False) -> Conversation:
    """Changes of one conversation happen one after the other: each holds this row until it is committed. Raises
    NotFound if it was deleted meanwhile, unless the change is for deleted ones too."""
    found = _locked(conversation_id)
    if not found or (found[0].deleted_at is not None and not deleted):
        raise NotFound
    return found[0]


def lock_for(user: User, conversation_id: UUID, role: str) -> Conversation:
    """The same for a change that needs at least this role. It is asked for under the lock: whoever was removed or lost
    that role while they waited changes nothing any more. Raises NotFound and Forbidden."""
    conversation = lock(conversation_id)
    check_role(user, role, conversation_id=conversation_id)
    return conversation


@prepared
def _locked(pk: UUID) -> QuerySet[Conversation]:
    return Conversation.objects.select_for_update().filter(pk=pk).order_by()


def next_revision(conversation: Conversation, *, news: bool = True, by: int | None = None) -> int:
    """The revision of the change that is being made; once per transaction, under the lock. `news`: there is something
    to read for everybody but `by`, who wrote it (a model: nobody)."""
    conversation.revision += 1
    conversation.changed_at = timezone.now()
    revised = (conversation.pk, conversation.revision, conversation.changed_at)
    if not news:
        _revise(*revised)
        return conversation.revision
    conversation.news_revision, conversation.news_by_id = conversation.revision, by
    if by is None:
        _bring_news(*revised)
    else:
        _bring_news_of(*revised, by)
    return conversation.revision


@prepared_update
def _revise(pk: UUID, revision: int, at: datetime) -> Update:
    return Conversation.objects.filter(pk=pk), {"revision": revision, "changed_at": at}


@prepared_update
def _bring_news(pk: UUID, revision: int, at: datetime) -> Update:
    news = {"news_revision": revision, "news_by": None}
    return Conversation.objects.filter(pk=pk), {"revision": revision, "changed_at": at, **news}


@prepared_update
def _bring_news_of(pk: UUID, revision: int, at: datetime, by: int) -> Update:
    news = {"news_revision": revision, "news_by": by}
    return Conversation.objects.filter(pk=pk), {"revision": revision, "changed_at": at, **news}


def changed(
    conversation: Conversation, message_ids: Iterable[int] = (), start: Iterable[str] = (), *, told: bool = False
) -> AfterEnd:
    """What is to be done after the commit: tell all who watch it or have it in their list, and start what may start.
    `told`: what models are told beside the messages changed as well."""

    def frame(people: list[Here]) -> ConversationChanged:
        return conversation_changed(conversation, messages_by_id(message_ids), people=people, told=told)

    return _after(conversation, frame, start)


def path_changed(conversation: Conversation, start: Iterable[str] = ()) -> AfterEnd:
    """The same for a change of which messages are shown: the new ones with the ids of those that went, or the newest
    page, if that is less."""

    def frame(people: list[Here]) -> ConversationChanged:
        return changed_since(conversation, conversation.revision - 1, people=people)

    return _after(conversation, frame, start)


def _after(
    conversation: Conversation, frame: Callable[[list[Here]], ConversationChanged], start: Iterable[str]
) -> AfterEnd:
    if conversation.deleted_at is not None:  # nobody can see it
        return AfterEnd(start=list(start))
    people = everybody(conversation.pk)
    told = [(conversation_group(conversation.pk), encode(frame(people))), *list_frames(conversation, people)]
    return AfterEnd(broadcasts=told, start=list(start))


def stamp(message: Message, conversation: Conversation) -> int:
    """Mark a message as changed in the conversation's current revision; returns its id."""
    message.revision = conversation.revision
    if message.pk is None:
        insert(message)
    else:
        message.save()
    return message.pk


async def carry_out(after: AfterEnd) -> bool:
    """Do it: whoever asked waits for the first word, so what starts comes first; nobody waits long for the news. Never
    raises; False: the queue is away."""
    groups = [group for group, _ in after.broadcasts if group.startswith(CONVERSATION)]
    starting = asyncio.gather(*(_start(generation_id, groups) for generation_id in after.start))
    if after.start:
        await asyncio.wait({starting}, timeout=HEAD_START_S)
    await asyncio.gather(*(_tell(group, frame) for group, frame in after.broadcasts))
    return all(await starting)


async def stop(generation_ids: Iterable[str]) -> None:
    """End what was marked to end. Never raises: its row says so, and whoever takes it up ends it."""
    for generation_id in generation_ids:
        try:
            await services.request_stop(generation_id)
        except (DatabaseError, OSError) as away:
            log.warning("%s ends later: %r", generation_id, away)


async def _tell(group: str, frame: str) -> None:
    if not await fanout.broadcast(group, frame):
        sockets.get().deliver_here(group, frame)


async def _start(generation_id: str, groups: list[str]) -> bool:
    if await services.dispatch(generation_id):
        return True
    waiting = encode_stream(Queued(generation=generation_id, reason="waiting_for_queue", message=QUEUE_IS_AWAY))
    for group in groups:
        sockets.get().deliver_here(group, waiting)
    return False
