"""A private conversation stays private when somebody is let in."""

from __future__ import annotations

from typing import Any

import pytest

from chat import copies, invites, page_data, people, prompts, selectors
from chat.access import NotFound, access_conversation
from chat.models import Conversation, Message
from streaming.errors import Refused
from streaming.models import Generation
from tests.integration.chat.factories import end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db


def shown(conversation_id: Any) -> list[tuple[str, str, Any]]:
    messages = sorted(selectors.message_page(conversation_id).messages, key=lambda message: message["id"])
    return [(message["role"], message["text"], message["author"]) for message in messages]


def test_somebody_who_is_added_gets_a_copy_and_never_the_original() -> None:
    ann, bob = make_person(), make_person()
    private = make_conversation(ann)
    end(send(ann, private, "First?").generation, "One.")
    end(send(ann, private, "Second?").generation, "Two.")
    added = people.add_participant(ann, private.pk, bob.username, "viewer")
    assert added.conversation != private.pk
    group = access_conversation(bob, added.conversation)
    assert (group.title, group.reply_policy) == ("Talk", "mention")
    assert shown(group.pk) == shown(private.pk)
    assert len(shown(group.pk)) == 4
    with pytest.raises(NotFound):
        access_conversation(bob, private.pk)
    assert [here.person["role"] for here in selectors.everybody(group.pk)] == ["owner", "viewer"]
    assert private.participants.count() == 1
    send(ann, private, "Among us")  # goes on by itself
    assert ("user", "Among us") not in [row[:2] for row in shown(group.pk)]


def test_a_copy_is_a_conversation_like_any_other() -> None:
    ann, bob = make_person(first_name="Ann"), make_person()
    private = make_conversation(ann)
    end(send(ann, private, "What is a hub?").generation, "A wheel's middle.")
    group = access_conversation(ann, people.add_participant(ann, private.pk, bob.username).conversation)
    asked = send(ann, group, "@assistant and a spoke?")
    assert asked.generation is not None
    told = [message.text for message in prompts.build_prompt(asked.generation).messages]
    assert told == ["Ann: What is a hub?", "A wheel's middle.", "Ann: @assistant and a spoke?"]
    first = Message.objects.filter(conversation=group).earliest("pk")
    assert first.created_at == Message.objects.filter(conversation=private).earliest("pk").created_at.replace(
        microsecond=first.created_at.microsecond
    )


def test_only_what_is_finished_and_newest_is_copied() -> None:
    ann, bob = make_person(), make_person()
    private = make_conversation(ann)
    end(send(ann, private, "First?").generation, "One.")
    send(ann, private, "Second?")
    send(ann, private, "Third, which waits")
    group = people.add_participant(ann, private.pk, bob.username).conversation
    assert [text for _, text, _ in shown(group)] == ["First?", "One.", "Second?"]


def test_what_has_no_history_or_several_people_is_shared_as_it_is() -> None:
    ann, bob, eve = make_person(), make_person(), make_person()
    conversation = people.create_conversation(ann)
    assert people.add_participant(ann, conversation.pk, bob.username).conversation == conversation.pk
    send(ann, conversation, "Hello")
    assert people.add_participant(ann, conversation.pk, eve.username).conversation == conversation.pk
    assert invites.make_link(ann, conversation.pk) == conversation.pk


def test_a_link_to_a_private_conversation_leads_to_its_copy() -> None:
    ann = make_person()
    private = make_conversation(ann)
    end(send(ann, private, "First?").generation, "One.")
    assert invites.make_link(ann, private.pk) != private.pk
    assert invites.link_of(private) is None


def test_nothing_is_copied_for_nobody() -> None:
    ann = make_person()
    private = make_conversation(ann)
    end(send(ann, private, "First?").generation, "One.")
    for name, role in (("nobody here", "member"), (make_person().username, "king")):
        with pytest.raises(Refused):
            people.add_participant(ann, private.pk, name, role)
    assert Conversation.objects.count() == 1


def test_a_long_history_is_cut_at_its_old_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "COPIED_MAX", 3)
    ann, bob = make_person(), make_person()
    private = make_conversation(ann)
    for number in range(3):
        end(send(ann, private, f"{number}?").generation, f"{number}.")
    group = people.add_participant(ann, private.pk, bob.username).conversation
    assert [text for _, text, _ in shown(group)] == ["1.", "2?", "2."]


def test_a_copied_answer_says_that_it_was_stopped_and_so_does_its_copy() -> None:
    ann = make_person()
    private = make_conversation(ann)
    for status, text in (("stopped", "One. Tw"), ("failed", "Thr"), ("completed", "Four.")):
        generation = send(ann, private, "Count").generation
        end(generation, text)
        Generation.objects.filter(pk=generation).update(status=status)
    group = copies.group_from(ann, private.pk)
    rows = page_data.message_rows(selectors.message_page(group.pk).messages, ann.pk)
    answers = [(row.state, row.note) for row in rows if row.data["role"] == "assistant"]
    assert answers == [("stopped", "Stopped."), ("failed", "This could not be answered."), ("done", "")]
    again = copies.group_from(ann, group.pk)
    ended = [message["ended"] for message in selectors.message_page(again.pk).messages if message["role"] != "user"]
    assert ended == ["stopped", "failed", ""]
