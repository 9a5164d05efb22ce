"""The only gate from an id to an object. What a person may not know of looks exactly like what does not exist.

Each gate asks the database now: rights are never remembered. Inactive people have no rights at all.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet

from chat.models import Conversation, Message, Participant
from streaming.errors import Refused
from streaming.prepared import prepared

Role = Participant.Role
User = AbstractBaseUser | AnonymousUser

#: Who may do what needs at least this role.
_AT_LEAST: dict[str, frozenset[str]] = {
    Role.VIEWER: frozenset({Role.VIEWER, Role.MEMBER, Role.OWNER}),
    Role.MEMBER: frozenset({Role.MEMBER, Role.OWNER}),
    Role.OWNER: frozenset({Role.OWNER}),
}
_NEEDED: dict[str, str] = {
    Role.MEMBER: "You can read this conversation, but not write in it.",
    Role.OWNER: "Only an owner of this conversation can do this.",
}


class NotFound(Refused):
    code = "not_found"
    message = "There is nothing here, or it is not yours to see."


class Forbidden(Refused):
    code = "forbidden"
    message = "You cannot do this here."


def id_of(user: User) -> int:
    """Raises NotFound for nobody: an anonymous visitor has nothing here."""
    if user.pk is None:
        raise NotFound
    return int(user.pk)


def access_conversation(user: User, conversation_id: UUID | str, role: str = Role.VIEWER) -> Conversation:
    """The conversation, if `user` has at least `role` in it. Raises NotFound; Forbidden if it is a lower one."""
    pk = _uuid(conversation_id)
    check_role(user, role, conversation_id=pk)
    found = _conversations(pk)
    if not found:  # it went away between the two questions
        raise NotFound
    return found[0]


def access_generation(user: User, generation_id: UUID | str, role: str = Role.VIEWER) -> Message:
    """The answer that a generation writes. Raises NotFound and Forbidden."""
    answers = _answers(_uuid(generation_id))
    if not answers:
        raise NotFound
    check_role(user, role, conversation_id=answers[0].conversation_id)
    return answers[0]


def access_stream(user: User, generation_id: UUID | str) -> UUID:
    """The conversation of an answer that `user` may read, in one query: when a web process dies, all its readers ask
    at once. Raises NotFound."""
    homes = _homes(_uuid(generation_id), id_of(user))
    if not homes:
        raise NotFound
    return homes[0]


def access_message(user: User, message_id: int, role: str = Role.VIEWER, *, dropped: bool = False) -> Message:
    """The message, with its conversation; one that was withdrawn only if asked for. Raises NotFound and Forbidden."""
    message = Message.objects.filter(pk=message_id).select_related("conversation").first()
    if message is None or (message.state == Message.State.DROPPED and not dropped):
        raise NotFound
    check_role(user, role, conversation_id=message.conversation_id)
    return message


def check_role(user: User, role: str, *, conversation_id: UUID) -> None:
    """Raises NotFound; Forbidden if `user` has a lower role there."""
    found = _roles(conversation_id, id_of(user))
    if not found:
        raise NotFound
    if found[0] not in _AT_LEAST[role]:
        raise Forbidden(_NEEDED[role])


@prepared
def _roles(conversation_id: UUID, user_id: int) -> QuerySet[Participant, str]:
    here = Participant.objects.filter(conversation_id=conversation_id, user_id=user_id, user__is_active=True)
    return here.filter(conversation__deleted_at__isnull=True).values_list("role", flat=True)


@prepared
def _homes(generation_id: UUID, user_id: int) -> QuerySet[Participant, UUID]:
    here = Participant.objects.filter(user_id=user_id, user__is_active=True, conversation__deleted_at__isnull=True)
    return here.filter(conversation__messages__generation_id=generation_id).values_list("conversation_id", flat=True)


@prepared
def _conversations(pk: UUID) -> QuerySet[Conversation]:
    return Conversation.objects.filter(pk=pk).order_by()


@prepared
def _answers(generation_id: UUID) -> QuerySet[Message]:
    return Message.objects.filter(generation_id=generation_id).defer("text")


def _uuid(value: UUID | str) -> UUID:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except ValueError:
        raise NotFound from None
