"""A private conversation stays private: whoever is let in gets into a new one, which holds a copy of what was shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from chat import changes
from chat.access import Role, User, id_of
from chat.events import GenerationData, MessageData
from chat.models import Conversation, Message, Participant
from chat.selectors import message_page
from streaming.states import Status

#: Older messages stay behind: a copy is made while somebody waits.
COPIED_MAX: Final = 2000
_BATCH: Final = 500


@transaction.atomic
def group_from(user: User, conversation_id: UUID) -> Conversation:
    """The conversation itself if it may be shared: others are there, or nothing was said yet. Else its copy, which
    `user` owns. Only an owner may; raises Refused."""
    conversation = changes.lock_for(user, conversation_id, Role.OWNER)
    if conversation.participants.count() > 1 or not conversation.messages.exists():
        return conversation
    return _copy(conversation, id_of(user))


def _copy(private: Conversation, user_id: int) -> Conversation:
    group = Conversation.objects.create(
        title=private.title,
        title_by=private.title_by,
        system_prompt=private.system_prompt,
        reply_policy=Conversation.ReplyPolicy.MENTION,
        revision=1,
    )
    Participant.objects.create(conversation=group, user_id=user_id, role=Role.OWNER)
    shown = sorted(newest_shown(private.pk), key=lambda message: message["id"])
    copied = [_row(group, message) for message in shown]
    Message.objects.bulk_create(copied, batch_size=_BATCH)
    new_ids = {message["id"]: row.pk for message, row in zip(shown, copied, strict=True)}
    for message, row in zip(shown, copied, strict=True):
        row.parent_id = new_ids.get(message["parent"] or 0)
        row.created_at = datetime.fromisoformat(message["created_at"])
    Message.objects.bulk_update(copied, ["parent", "created_at"], batch_size=_BATCH)
    return group


def newest_shown(conversation_id: UUID) -> Iterator[MessageData]:
    """What people see there and what is finished, from new to old."""
    before, left = None, COPIED_MAX
    while True:
        page = message_page(conversation_id, before)
        for message in reversed(page.messages):
            if message["state"] == Message.State.SENT and message["text"]:
                left -= 1
                yield message
            if left == 0:
                return
        if not page.older:
            return
        before = min(message["id"] for message in page.messages)


def _row(group: Conversation, message: MessageData) -> Message:
    author = message["author"]
    return Message(
        conversation=group,
        author_id=author["id"] if author else None,
        role=message["role"],
        text=message["text"],
        model=message["model"],
        revision=group.revision,
        ended=message["ended"] or _ended(message["generation"]),
    )


def _ended(generation: GenerationData | None) -> str:
    """As `Message.ended` has it: the copy says it too."""
    if generation is None or generation["status"] == Status.COMPLETED:
        return ""
    is_named = generation["status"] in (Status.STOPPED, Status.INTERRUPTED)
    return generation["status"] if is_named else str(Status.FAILED)
