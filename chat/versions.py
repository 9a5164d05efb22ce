"""Asking anew: another answer to the same question, another wording of one's own, and the way back to an older one.

Each is one transaction (see `services`). All of them are refused while an answer runs: what is being written follows
the path that everybody sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from chat import answers, branches, changes, repeats, services
from chat.access import Forbidden, NotFound, Role, User, access_generation, access_message, id_of
from chat.models import Conversation, Message
from streaming.errors import Refused
from streaming.hooks import AfterEnd

State = Message.State


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands there now, and the id of its answer's stream; None if no answer was asked for."""

    message: int
    generation: str | None
    after: AfterEnd = field(default_factory=AfterEnd)


def model_for_answer(user: User, generation_id: UUID, model: str | None, command: str | None = None) -> str | None:
    """The model that another try would ask; None: `command` was carried out before. Raises NotFound, Forbidden and
    Refused."""
    answer = access_generation(user, generation_id, Role.MEMBER)
    if repeats.find(id_of(user), command, answer.pk):
        return None
    return services.choose_model(answer.conversation_id, _question_of(answer).text, model or answer.model)


def model_for_edit(user: User, message_id: int, text: str, model: str | None, command: str | None = None) -> str | None:
    """The model that would answer an edited question; None: it is answered later, or never, or was before."""
    question = _own(user, message_id)
    if repeats.find(id_of(user), command, question.pk):
        return None
    if question.state == State.PENDING or not services.wants_answer(question.conversation.reply_policy, text):
        return None
    return _choose_model(question, text, model)


def regenerate(user: User, generation_id: UUID, model: str | None = None, command: str | None = None) -> Asked:
    """Ask the question of a finished answer again: the new answer takes its place, with nothing after it. `command`:
    its name; the same command again makes nothing more. Raises Refused."""
    old = access_generation(user, generation_id, Role.MEMBER)
    return _once(user, old, command, lambda conversation: _regenerate(user, conversation, old, model))


def _regenerate(user: User, conversation: Conversation, old: Message, model: str | None) -> Asked:
    answers.check_idle(conversation.pk)
    question = _question_of(old)
    _check_shown(question)
    alias = services.choose_model(conversation.pk, question.text, model or old.model)
    return _ask(conversation, question, id_of(user), alias, beside=old)


def edit_message(user: User, message_id: int, text: str, model: str | None = None, command: str | None = None) -> Asked:
    """Change one's own message: one that waits for its answer or wants none in its place, any other as a new version
    with a new answer. `command` as in `regenerate`. Raises Refused."""
    services.check_text(text)
    old = _own(user, message_id)
    return _once(user, old, command, lambda conversation: _edit(user, conversation, old, text, model))


@transaction.atomic
def _once(user: User, about: Message, command: str | None, make: Callable[[Conversation], Asked]) -> Asked:
    conversation = changes.lock_for(user, about.conversation_id, Role.MEMBER)
    before = repeats.find(id_of(user), command, about.pk)
    if before is not None:
        return Asked(before.message_id, str(before.generation) if before.generation else None)
    asked = make(conversation)
    repeats.keep(id_of(user), command, about.pk, asked.message, asked.generation)
    return asked


def _edit(user: User, conversation: Conversation, old: Message, text: str, model: str | None) -> Asked:
    old.refresh_from_db()  # its turn may have come since it was read
    if old.state == State.DROPPED:
        raise NotFound
    is_asked = services.wants_answer(conversation.reply_policy, text)
    if old.state == State.PENDING and is_asked:
        old.model = _choose_model(old, text, model)
    if old.state == State.PENDING or not (is_asked or _has_answer(old)):
        return _edit_in_place(conversation, old, text)
    answers.check_idle(conversation.pk)
    _check_shown(old)
    question = Message(role=Message.Role.USER, author_id=id_of(user), text=text, parent_id=old.parent_id)
    question.conversation, question.edited_at = conversation, timezone.now()
    question.model = _choose_model(old, text, model) if is_asked else ""
    return _ask(conversation, question, id_of(user), question.model, beside=old)


@transaction.atomic
def switch_version(user: User, message_id: int) -> AfterEnd:
    """Show another version of a message to everybody, with the newest of what followed it. Raises Refused."""
    wanted = access_message(user, message_id, Role.MEMBER)
    conversation = changes.lock_for(user, wanted.conversation_id, Role.MEMBER)
    wanted.refresh_from_db()
    if wanted.state != State.SENT:
        raise Refused("There is no other version of this message.", code="conflict")
    if wanted.shown:
        return AfterEnd()
    answers.check_idle(conversation.pk)
    changes.next_revision(conversation, news=False)
    branches.show(conversation, branches.tree_of(conversation.pk).path_through(wanted.pk))
    return changes.path_changed(conversation)


@transaction.atomic
def cancel_message(user: User, message_id: int) -> AfterEnd:
    """Withdraw a question that still waits: its author, or an owner. Repeating it changes nothing. Raises Refused."""
    message = access_message(user, message_id, Role.MEMBER, dropped=True)
    if message.author_id != id_of(user):
        access_message(user, message_id, Role.OWNER, dropped=True)
    conversation = changes.lock_for(user, message.conversation_id, Role.MEMBER)
    message.refresh_from_db()
    if message.state == State.DROPPED:
        return AfterEnd()
    if message.state != State.PENDING:
        raise Refused("Its turn has come: it is being answered. Stop the answer instead.", code="conflict")
    return _withdraw(conversation, message)


@transaction.atomic
def withdraw_message(message_id: int) -> list[AfterEnd]:
    """The same where nobody is asked for their rights: whoever wrote it may have none any more. Nothing happens to one
    that does not wait. Raises NotFound if its conversation was deleted."""
    message = Message.objects.get(pk=message_id)
    conversation = changes.lock(message.conversation_id)
    message.refresh_from_db()
    return [_withdraw(conversation, message)] if message.state == State.PENDING else []


def _withdraw(conversation: Conversation, message: Message) -> AfterEnd:
    changes.next_revision(conversation, news=False)
    message.state, message.text, message.shown = State.DROPPED, "", False
    changes.stamp(message, conversation)
    return changes.path_changed(conversation)


def _edit_in_place(conversation: Conversation, message: Message, text: str) -> Asked:
    changes.next_revision(conversation, by=message.author_id)
    message.text, message.edited_at = text, timezone.now()
    return Asked(message.pk, None, changes.changed(conversation, [changes.stamp(message, conversation)], told=True))


def _has_answer(question: Message) -> bool:
    return question.children.filter(role=Message.Role.ASSISTANT).exists()


def _choose_model(old: Message, text: str, model: str | None) -> str:
    wanted = services.called_model(text, model or old.model or None)
    return services.choose_model(old.conversation_id, text, wanted)


def _own(user: User, message_id: int) -> Message:
    message = access_message(user, message_id, Role.MEMBER)
    if message.author_id != id_of(user) or message.role != Message.Role.USER:
        raise Forbidden("Only its author can change a message.")
    return message


def _question_of(answer: Message) -> Message:
    if answer.parent is None:
        raise NotFound("The question of this answer is gone.")
    return answer.parent


def _check_shown(message: Message) -> None:
    if not message.shown:
        words = "Another version of this is shown now. Go back to this one first."
        raise Refused(words, code="conflict")


def _ask(conversation: Conversation, question: Message, user_id: int, model: str, *, beside: Message) -> Asked:
    """Let `question` have a new answer of `model`, if there is one. It, if it is new, or else its answer becomes a
    version beside `beside`."""
    is_new = question.pk is None
    before = branches.tree_of(conversation.pk).path_to(question.parent_id if is_new else question.pk)
    changes.next_revision(conversation, by=user_id)
    if is_new:
        changes.stamp(question, conversation)
    asked = [answers.begin(conversation, question, user_id, model)] if model else []
    _join(question if is_new else asked[0], beside)
    branches.show(conversation, before | {question.pk, *(answer.pk for answer in asked)})
    start = [str(answer.generation_id) for answer in asked]
    return Asked(question.pk, next(iter(start), None), changes.path_changed(conversation, start))


def _join(new: Message, old: Message) -> None:
    first = old.first_version_id or old.pk
    ids: list[Any] = [old.pk, new.pk]
    Message.objects.filter(pk__in=ids).update(first_version=first)
