"""Deleting a conversation, taking that back, and removing for good what nobody took back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from chat import changes
from chat.access import NotFound, Role, User, id_of
from chat.conversation_list import gone_frame
from chat.events import ConversationDeleted, encode
from chat.models import Conversation, Errand, Message, Participant
from chat.selectors import everybody, person
from chat.sockets import conversation_group
from streaming import services as streaming
from streaming.hooks import AfterEnd
from streaming.models import Generation
from streaming.states import LIVE

#: Pages offer to take it back for 10 s; whoever comes back a little later still can. Logs of streams live shorter.
PURGE_AFTER: Final = timedelta(hours=1)
PURGE_BATCH: Final = 50


@dataclass(frozen=True, slots=True)
class Deleted:
    """`stopping`: answers that must hear of it, after the commit (`streaming.request_stop`)."""

    title: str
    stopping: list[str]
    after: AfterEnd


@transaction.atomic
def delete_conversation(user: User, conversation_id: UUID) -> Deleted:
    """Nobody finds it any more, its answers stop and what waits is never asked. Only an owner may; raises Refused."""
    conversation = changes.lock_for(user, conversation_id, Role.OWNER)
    conversation.deleted_at = timezone.now()
    conversation.save(update_fields=["deleted_at"])
    changes.next_revision(conversation, news=False)
    waiting = Message.objects.filter(conversation=conversation, state=Message.State.PENDING)
    waiting.update(state=Message.State.DROPPED, shown=False, revision=conversation.revision)
    # The fence is in the same transaction: a worker that has not begun by now never does, and one that has is refused.
    stopping = [str(pk) for pk in _live(conversation.pk)]
    streaming.mark_stopped(stopping)
    frame = encode(ConversationDeleted(conversation=str(conversation.pk), user=person(user)))
    gone = [gone_frame(here.person["id"], conversation.pk) for here in everybody(conversation.pk)]
    after = AfterEnd(broadcasts=[(conversation_group(conversation.pk), frame), *gone])
    return Deleted(str(conversation), stopping, after)


@transaction.atomic
def restore_conversation(user: User, conversation_id: UUID) -> AfterEnd:
    """Take it back. Only an owner may; raises NotFound if there is nothing (any more)."""
    mine = Participant.objects.filter(user_id=id_of(user), user__is_active=True, role=Role.OWNER)
    if not mine.filter(conversation_id=conversation_id, conversation__deleted_at__isnull=False).exists():
        raise NotFound
    conversation = changes.lock(conversation_id, deleted=True)
    conversation.deleted_at = None
    conversation.save(update_fields=["deleted_at"])
    changes.next_revision(conversation, news=False)
    return changes.changed(conversation)


def purge() -> int:
    """Remove the rows of conversations that were deleted a while ago; returns how many. Their generations stay for the
    ledger, without a word of their texts."""
    before = timezone.now() - PURGE_AFTER
    due = Conversation.objects.filter(deleted_at__lt=before)
    purged = 0
    for pk in list(due.order_by("deleted_at").values_list("pk", flat=True)[:PURGE_BATCH]):
        purged += _purge_one(pk, before)
    return purged


@transaction.atomic
def _purge_one(pk: UUID, before: datetime) -> int:
    # Asked again under the lock: it may have been taken back, and even deleted once more, since it was found.
    conversation = Conversation.objects.select_for_update().filter(pk=pk, deleted_at__lt=before).first()
    if conversation is None or _live(pk):
        return 0
    answers = Message.objects.filter(conversation=conversation, generation__isnull=False)
    errands = Errand.objects.filter(conversation=conversation)
    generations = [*answers.values_list("generation_id", flat=True), *errands.values_list("generation_id", flat=True)]
    streaming.forget_texts(generations)
    conversation.delete()
    return 1


def _live(conversation_id: UUID) -> list[UUID]:
    live = Generation.objects.filter(status__in=LIVE)
    answers = live.filter(message__conversation_id=conversation_id).values_list("pk", flat=True)
    errands = live.filter(errand__conversation_id=conversation_id).values_list("pk", flat=True)
    return [*answers, *errands]
