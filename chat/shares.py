"""Links for reading a conversation without an account: a copy of what is shown now. What is said later is not in it
until its owner takes a new one, and nothing but messages is: no instructions, no summary, no tokens and no costs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from chat import changes
from chat.access import Role, User, access_conversation, id_of
from chat.copies import newest_shown
from chat.events import MessageData
from chat.models import Conversation, Message, Share, SharedMessage
from chat.page_data import in_reading_order
from streaming.answer_blocks import answer_html, render_answer
from streaming.errors import Refused

#: Days for which a link may work.
DAYS: Final = (1, 7, 30)
#: Until it is withdrawn.
FOREVER: Final = 0
_BATCH: Final = 200
#: Per page: what an older renderer left, or nobody has rendered yet.
RENDER_S: Final = 0.5


class ShareGone(Refused):
    """Expired, withdrawn, or never made: nobody learns which."""

    code = "share_gone"
    message = "This link does not work, or not any more."


@dataclass(frozen=True, slots=True)
class SharedLink:
    """The link that a conversation has now. `token` is the last part of its address."""

    token: str
    taken_at: datetime
    expires_at: datetime | None
    with_names: bool


@transaction.atomic
def take(user: User, conversation_id: UUID, days: int = FOREVER, *, with_names: bool = False) -> None:
    """Share what the conversation shows now; a link that it has already leads there from now on. Only an owner may;
    raises Refused."""
    if days not in (*DAYS, FOREVER):
        raise Refused("There is no such choice.", code="bad_field")
    conversation = changes.lock_for(user, conversation_id, Role.OWNER)
    messages = in_reading_order(newest_shown(conversation.pk))
    if not messages:
        raise Refused("There is nothing to share yet.", code="nothing_to_share")
    now = timezone.now()
    fields = {
        "title": conversation.title,
        "with_names": with_names,
        "created_by_id": id_of(user),
        "taken_at": now,
        "expires_at": now + timedelta(days=days) if days else None,
    }
    _forget_expired(conversation, now)
    share, _ = Share.objects.update_or_create(conversation=conversation, defaults=fields)
    share.messages.all().delete()
    SharedMessage.objects.bulk_create(_rows(share, messages), batch_size=_BATCH)


def _forget_expired(conversation: Conversation, now: datetime) -> None:
    """A link that has ended stays so: the next one is another."""
    Share.objects.filter(conversation=conversation, expires_at__lte=now).delete()


def _rows(share: Share, messages: list[MessageData]) -> Iterator[SharedMessage]:
    people: dict[int | None, int] = {}
    blocks = _blocks(message["id"] for message in messages)
    for number, message in enumerate(messages, start=1):
        row = SharedMessage(share=share, number=number, text=message["text"], blocks=blocks.get(message["id"], ""))
        if message["role"] == Message.Role.ASSISTANT:
            row.writer = message["model"]
        else:
            author = message["author"]
            row.person = people.setdefault(author["id"] if author else None, len(people) + 1)
            row.writer = author["name"] if author and share.with_names else ""
        yield row


def _blocks(messages: Iterable[int]) -> dict[int, str]:
    ids = list(messages)
    found: dict[int, str] = {}
    for start in range(0, len(ids), _BATCH):
        rows = Message.objects.filter(pk__in=ids[start : start + _BATCH], generation__isnull=False).order_by()
        found |= {pk: blocks or "" for pk, blocks in rows.values_list("pk", "generation__blocks")}
    return found


@transaction.atomic
def withdraw(user: User, conversation_id: UUID) -> None:
    """From now on its link leads nowhere, and the copy is gone. Only an owner may."""
    access_conversation(user, conversation_id, Role.OWNER)
    Share.objects.filter(conversation_id=conversation_id).delete()


def link_of(conversation: Conversation) -> SharedLink | None:
    """The token in it is for owners only."""
    share = _valid().filter(conversation=conversation).first()
    if share is None:
        return None
    return SharedLink(_signer().sign(share.key.hex), share.taken_at, share.expires_at, share.with_names)


def find_share(token: str) -> Share:
    """What a link leads to. Raises ShareGone; a token that we never made costs no look at the database."""
    try:
        key = UUID(_signer().unsign(token))
    except (BadSignature, ValueError):
        raise ShareGone from None
    share = _valid().filter(key=key, conversation__deleted_at__isnull=True).first()
    if share is None:
        raise ShareGone
    return share


def htmls(messages: Iterable[SharedMessage]) -> Iterator[tuple[SharedMessage, str | None]]:
    """With the HTML of the answers; None: as it was written."""
    ends_at = time.monotonic() + RENDER_S
    for message in messages:
        html = answer_html(message.text, message.blocks) if message.person == 0 else None
        if html is None and message.person == 0 and time.monotonic() < ends_at:
            message.blocks = render_answer(message.text)
            SharedMessage.objects.filter(pk=message.pk).update(blocks=message.blocks)
            html = answer_html(message.text, message.blocks)
        yield message, html


def _valid() -> QuerySet[Share]:
    now = timezone.now()
    return Share.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), created_by__is_active=True)


def _signer() -> Signer:
    return Signer(salt="chat.share", sep=".")
