"""Links for joining a conversation. Whoever holds one may join while it is valid; nothing else can be told from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.utils import timezone

from chat import changes
from chat.access import Role, User, access_conversation, id_of
from chat.copies import group_from
from chat.models import Conversation, Invite, Participant
from chat.people import check_room
from streaming.errors import Refused
from streaming.hooks import AfterEnd

#: Days for which a link may be valid.
DAYS: Final = (1, 7, 30)


class InviteGone(Refused):
    """Expired, reset, or never made: nobody learns which."""

    code = "invite_gone"
    message = "This invitation does not work, or not any more. Ask for a new one."


@dataclass(frozen=True, slots=True)
class Link:
    """The link that a conversation has now. `token` is the last part of its address."""

    token: str
    role: str
    expires_at: datetime


@transaction.atomic
def make_link(user: User, conversation_id: UUID, role: str = Invite.Role.MEMBER, days: int = 7) -> UUID:
    """A new link, with which the former one ends; of a private conversation that has messages, for a copy of it.
    Returns the conversation that it leads to. Only an owner may; raises Refused."""
    if role not in Invite.Role.values or days not in DAYS:
        raise Refused("An invitation cannot be like this.", code="bad_field")
    group = group_from(user, conversation_id)
    fresh = {"key": uuid4(), "role": role, "created_by_id": id_of(user), "created_at": timezone.now()}
    expires_at = timezone.now() + timedelta(days=days)
    Invite.objects.update_or_create(conversation=group, defaults={**fresh, "expires_at": expires_at})
    return group.pk


@transaction.atomic
def withdraw_link(user: User, conversation_id: UUID) -> None:
    """From now on its link leads nowhere. Only an owner may."""
    access_conversation(user, conversation_id, Role.OWNER)
    Invite.objects.filter(conversation_id=conversation_id).delete()


def link_of(conversation: Conversation) -> Link | None:
    """To be shown to owners only."""
    invite = Invite.objects.filter(conversation=conversation, expires_at__gt=timezone.now()).first()
    return None if invite is None else Link(_signer().sign(invite.key.hex), invite.role, invite.expires_at)


def find_invite(token: str) -> Invite:
    """The invite of a link, with its conversation and who made it. Raises InviteGone."""
    try:
        key = UUID(_signer().unsign(token))
    except (BadSignature, ValueError):
        raise InviteGone from None
    valid = Invite.objects.filter(key=key, expires_at__gt=timezone.now(), conversation__deleted_at__isnull=True)
    invite = valid.select_related("conversation", "created_by").first()
    if invite is None:
        raise InviteGone
    return invite


def is_here(user: User, invite: Invite) -> bool:
    return Participant.objects.filter(conversation_id=invite.conversation_id, user_id=id_of(user)).exists()


@transaction.atomic
def join(user: User, token: str) -> tuple[UUID, AfterEnd]:
    """Take part, in the role that the link gives; whoever does already keeps theirs. Raises Refused."""
    conversation = changes.lock(find_invite(token).conversation_id)
    invite = find_invite(token)  # it may have been reset while we waited
    if is_here(user, invite):
        return conversation.pk, AfterEnd()
    check_room(conversation)
    Participant.objects.create(conversation=conversation, user_id=id_of(user), role=invite.role)
    changes.next_revision(conversation, news=False)
    return conversation.pk, changes.changed(conversation)


def _signer() -> Signer:
    return Signer(salt="chat.invite", sep=".")
