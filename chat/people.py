"""Conversations and who takes part in them. Like `services`: one transaction each, and what to do after it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid4

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from chat import answers, changes
from chat.access import Forbidden, NotFound, Role, User, access_conversation, id_of
from chat.conversation_list import gone_frame, list_frames
from chat.copies import group_from
from chat.models import Conversation, Invite, Participant
from chat.selectors import everybody
from chat.titles import read_title
from streaming.errors import Refused
from streaming.hooks import AfterEnd

#: All of them stand in every frame that tells of a change.
PARTICIPANTS_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Added:
    """Somebody came, into this conversation."""

    conversation: UUID
    after: AfterEnd


class Door(StrEnum):
    """What became of the link by which somebody who was removed could come back."""

    NONE = "none"
    RESET = "reset"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Removed:
    """Somebody went, or was taken out. `stopping`: answers that must hear of it, after the commit
    (`streaming.request_stop`)."""

    link: Door
    stopping: list[str]
    after: AfterEnd


@transaction.atomic
def create_conversation(user: User, title: str = "", system_prompt: str = "") -> Conversation:
    """A new conversation that `user` owns. Nobody watches it yet, so there is nothing to do afterwards."""
    title = read_title(title)
    by = Conversation.TitleBy.PERSON if title else ""
    conversation = Conversation.objects.create(title=title, title_by=by, system_prompt=system_prompt, revision=1)
    Participant.objects.create(conversation=conversation, user_id=id_of(user), role=Role.OWNER)
    return conversation


@transaction.atomic
def rename(user: User, conversation_id: UUID, title: str) -> AfterEnd:
    conversation = changes.lock_for(user, conversation_id, Role.MEMBER)
    conversation.title = read_title(title)
    conversation.title_by = Conversation.TitleBy.PERSON if conversation.title else ""
    conversation.save(update_fields=["title", "title_by"])
    changes.next_revision(conversation, news=False)
    return changes.changed(conversation)


@transaction.atomic
def mark_read(user: User, conversation_id: UUID, revision: int) -> AfterEnd:
    """`user` has seen everything up to `revision`; their other devices are told."""
    access_conversation(user, conversation_id)
    conversation = changes.lock(conversation_id)
    read = min(revision, conversation.revision)
    mine = Participant.objects.filter(conversation=conversation, user_id=id_of(user))
    if not mine.filter(read_revision__lt=read).update(read_revision=read):
        return AfterEnd()
    return AfterEnd(broadcasts=list_frames(conversation, everybody(conversation.pk), only=id_of(user)))


@transaction.atomic
def add_participant(user: User, conversation_id: UUID, username: str, role: str = Role.MEMBER) -> Added:
    """Let somebody in: into a copy, if only `user` was here so far and something was said. Who is here already gets
    that role. Only an owner may; raises Refused."""
    access_conversation(user, conversation_id, Role.OWNER)
    _check_role(role)
    person = get_user_model().objects.filter(username=username, is_active=True).first()
    if person is None:
        raise Refused("There is nobody of this name.", code="unknown_person")
    if Participant.objects.filter(conversation_id=conversation_id, user=person).exists():
        return Added(conversation_id, change_role(user, conversation_id, person.pk, role))
    group = group_from(user, conversation_id)
    check_room(group)
    Participant.objects.create(conversation=group, user=person, role=role)
    changes.next_revision(group, news=False)
    return Added(group.pk, changes.changed(group))


@transaction.atomic
def change_role(user: User, conversation_id: UUID, person_id: int, role: str) -> AfterEnd:
    """Only an owner may; raises Refused."""
    conversation = changes.lock_for(user, conversation_id, Role.OWNER)
    _check_role(role)
    here = Participant.objects.filter(conversation=conversation)
    if role != Role.OWNER:
        _keep_an_owner(here.exclude(user_id=person_id))
    if not here.filter(user_id=person_id).update(role=role):
        raise NotFound
    changes.next_revision(conversation, news=False)
    return changes.changed(conversation)


@transaction.atomic
def set_reply_policy(user: User, conversation_id: UUID, policy: str) -> AfterEnd:
    """Which messages a model answers from now on. Only an owner may; raises Refused."""
    conversation = changes.lock_for(user, conversation_id, Role.OWNER)
    if policy not in Conversation.ReplyPolicy.values:
        raise Refused("There is no such choice.", code="bad_field")
    conversation.reply_policy = policy
    conversation.save(update_fields=["reply_policy"])
    changes.next_revision(conversation, news=False)
    return changes.changed(conversation)


@transaction.atomic
def remove_participant(user: User, conversation_id: UUID, person_id: int, *, keep_link: bool = False) -> Removed:
    """Take somebody out: an owner anybody, everybody themselves. Their open sockets fall silent within 5 s. Who is
    taken out may know the invitation link: it is reset, unless `keep_link`. Who leaves may come back with it. Their
    questions that wait are never asked; what is being written goes on."""
    conversation = changes.lock_for(user, conversation_id, Role.VIEWER if person_id == user.pk else Role.OWNER)
    here = Participant.objects.filter(conversation=conversation)
    leaving = here.filter(user_id=person_id).first()
    if leaving is None:
        raise NotFound
    if leaving.role == Role.OWNER:
        _keep_an_owner(here.exclude(pk=leaving.pk))
    leaving.delete()
    link = Door.NONE if person_id == user.pk else _close_door(user, conversation, keep_link)
    changes.next_revision(conversation, news=False)
    stopping = answers.withdraw_of(person_id, conversation)
    after = changes.path_changed(conversation)
    return Removed(link, stopping, AfterEnd(broadcasts=[*after.broadcasts, gone_frame(person_id, conversation.pk)]))


def check_room(conversation: Conversation) -> None:
    """Under its lock. Raises Refused if nobody else fits in."""
    if conversation.participants.count() >= PARTICIPANTS_MAX:
        raise Refused(f"A conversation has at most {PARTICIPANTS_MAX} people.", code="too_many")


def _close_door(user: User, conversation: Conversation, keep_link: bool) -> Door:
    """The same invitation, from the owner who resets it, under another key."""
    valid = Invite.objects.filter(conversation=conversation, expires_at__gt=timezone.now())
    if keep_link:
        return Door.OPEN if valid.exists() else Door.NONE
    return Door.RESET if valid.update(key=uuid4(), created_by_id=id_of(user)) else Door.NONE


def _check_role(role: str) -> None:
    if role not in Role.values:
        raise Refused("There is no such role.", code="bad_field")


def _keep_an_owner(others: QuerySet[Participant]) -> None:
    if not others.filter(role=Role.OWNER, user__is_active=True).exists():
        raise Forbidden("A conversation keeps at least one owner.")
