"""Whoever loses their rights while they wait for a conversation's lock changes nothing any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from chat import changes, deletion, instructions, invites, people, versions
from chat.access import Forbidden, NotFound
from chat.models import Conversation, Message, Participant
from tests.integration.chat.factories import answer_of, end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db

Act = Callable[[Any, Conversation, Message], Any]
ACTS: dict[str, Act] = {
    "send": lambda user, where, question: send(user, where, "Again"),
    "edit": lambda user, where, question: versions.edit_message(user, question.pk, "Other words"),
    "switch": lambda user, where, question: versions.switch_version(user, question.pk),
    "regenerate": lambda user, where, question: versions.regenerate(user, answer_id(question)),
    "instruct": lambda user, where, question: instructions.instruct(user, where.pk, "Be brief"),
    "rename": lambda user, where, question: people.rename(user, where.pk, "Mine"),
}
OWNERS_ACTS: dict[str, Act] = {
    "add": lambda user, where, question: people.add_participant(user, where.pk, make_person().username),
    "demote": lambda user, where, question: people.change_role(user, where.pk, first_owner(where), "viewer"),
    "remove": lambda user, where, question: people.remove_participant(user, where.pk, first_owner(where)),
    "policy": lambda user, where, question: people.set_reply_policy(user, where.pk, "off"),
    "invite": lambda user, where, question: invites.make_link(user, where.pk),
    "delete": lambda user, where, question: deletion.delete_conversation(user, where.pk),
}


def answer_id(question: Message) -> UUID:
    found = Message.objects.get(parent=question).generation_id
    assert found is not None
    return found


def first_owner(where: Conversation) -> int:
    return Participant.objects.filter(conversation=where).order_by("pk")[0].user_id


@pytest.fixture
def scene() -> tuple[Any, Conversation, Message]:
    """Two owners; the second one has asked, and got an answer."""
    ann, bob = make_person(), make_person()
    where = make_conversation(ann, members=[bob])
    people.change_role(ann, where.pk, bob.pk, "owner")
    sent = send(bob, where, "A question")
    end(sent.generation)
    assert answer_of(sent).generation_id is not None
    return bob, where, Message.objects.get(pk=sent.message)


def while_waiting(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> None:
    """As if another transaction had held the lock and done that."""
    lock = changes.lock

    def locked(*args: Any, **named: Any) -> Conversation:
        conversation = lock(*args, **named)
        happens()
        return conversation

    monkeypatch.setattr(changes, "lock", locked)


@pytest.mark.parametrize("name", [*ACTS, *OWNERS_ACTS])
def test_whoever_was_removed_meanwhile_changes_nothing(
    name: str, scene: tuple[Any, Conversation, Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    bob, where, question = scene
    while_waiting(monkeypatch, Participant.objects.filter(conversation=where, user=bob).delete)
    with pytest.raises(NotFound):
        (ACTS | OWNERS_ACTS)[name](bob, where, question)


@pytest.mark.parametrize("name", OWNERS_ACTS)
def test_two_owners_who_demote_each_other_do_not_both_succeed(
    name: str, scene: tuple[Any, Conversation, Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    bob, where, question = scene
    people.add_participant(bob, where.pk, make_person().username, "owner")  # so that an owner stays in any case
    demoted = Participant.objects.filter(conversation=where, user=bob)
    while_waiting(monkeypatch, lambda: demoted.update(role="member"))
    with pytest.raises(Forbidden):
        OWNERS_ACTS[name](bob, where, question)


def test_an_owner_who_cannot_log_in_is_none() -> None:
    ann, bob = make_person(), make_person()
    where = make_conversation(ann, members=[bob])
    people.change_role(ann, where.pk, bob.pk, "owner")
    bob.is_active = False
    bob.save()
    with pytest.raises(Forbidden, match="at least one owner"):
        people.remove_participant(ann, where.pk, ann.pk)
