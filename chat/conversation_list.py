"""Everybody's list of conversations: whole, entry by entry as they change, and the head that heals lost entries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, F, QuerySet, Sum

from chat.access import User, id_of
from chat.events import ListChanged, ListEntryData, ListHeadData, encode
from chat.models import Conversation, Message, Participant
from chat.selectors import Here, moment
from chat.sockets import person_group
from streaming.prepared import prepared
from streaming.states import LIVE

#: Older conversations are found by searching.
LIST_MAX: Final = 200


def whole_list(user: User, limit: int = LIST_MAX) -> ListChanged:
    """A person's conversations, the last changed one first."""
    rows = list(_own(id_of(user)).select_related("conversation").order_by("-conversation__changed_at", "-pk")[:limit])
    ids = [row.conversation_id for row in rows]
    answering, people = _answering(ids), _people(ids)
    entries = [
        list_entry(
            row.conversation,
            (row.user_id, row.role, row.read_revision),
            people[row.conversation_id],
            row.conversation_id in answering,
        )
        for row in rows
    ]
    return ListChanged(entries=entries, complete=True, list_head=list_heads([id_of(user)])[id_of(user)])


def list_heads(user_ids: Iterable[int]) -> dict[int, ListHeadData]:
    """What everybody's list adds up to: one query for all."""
    heads: dict[int, ListHeadData] = {user: {"count": 0, "total": 0} for user in user_ids}
    rows = _alive().filter(user_id__in=list(heads)).order_by().values("user_id")
    summed = rows.annotate(count=Count("pk"), total=Sum(F("conversation__revision") + F("read_revision")))
    for user, count, total in summed.values_list("user_id", "count", "total"):
        heads[user] = {"count": count, "total": total}
    return heads


def list_frames(conversation: Conversation, people: list[Here], only: int | None = None) -> list[tuple[str, str]]:
    """The entry of a conversation that changed, to each of its people or to one of them: (group, frame)."""
    answering = bool(_is_answering(conversation.pk))
    frames = []
    for here in people:
        if only is not None and only != here.person["id"]:
            continue
        mine = (here.person["id"], here.person["role"], here.read_revision)
        entry = list_entry(conversation, mine, len(people), answering)
        frames.append((person_group(mine[0]), encode(ListChanged(entries=[entry]))))
    return frames


def gone_frame(user_id: int, conversation_id: UUID) -> tuple[str, str]:
    """A conversation leaves somebody's list: (group, frame)."""
    return person_group(user_id), encode(ListChanged(entries=[], removed=[str(conversation_id)]))


def list_entry(conversation: Conversation, mine: tuple[int, str, int], people: int, answering: bool) -> ListEntryData:
    """`mine`: whose list it is, their role, and how far they have read."""
    user, role, read_revision = mine
    return {
        "conversation": str(conversation.pk),
        "title": str(conversation),
        "role": role,
        "people": people,
        "revision": conversation.revision,
        "read_revision": read_revision,
        "changed_at": moment(conversation.changed_at),
        "unread": conversation.news_revision > read_revision and conversation.news_by_id != user,
        "answering": answering,
    }


def _alive() -> QuerySet[Participant]:
    return Participant.objects.filter(user__is_active=True, conversation__deleted_at__isnull=True)


def _own(user_id: int) -> QuerySet[Participant]:
    return _alive().filter(user_id=user_id)


def _answering(conversations: list[Any]) -> set[Any]:
    running = Message.objects.filter(conversation_id__in=conversations, generation__status__in=LIVE)
    return set(running.order_by().values_list("conversation_id", flat=True))


def _people(conversations: list[Any]) -> dict[Any, int]:
    rows = Participant.objects.filter(conversation_id__in=conversations).order_by().values("conversation_id")
    return dict(rows.annotate(count=Count("pk")).values_list("conversation_id", "count"))


@prepared
def _is_answering(conversation_id: UUID) -> QuerySet[Message, int]:
    running = Message.objects.filter(conversation_id=conversation_id, generation__status__in=LIVE)
    return running.order_by().values_list("pk", flat=True)[:1]
