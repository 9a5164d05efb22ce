"""Editing, asking again, switching, withdrawing: what each does, and what it refuses."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from chat import versions
from chat.access import Forbidden, NotFound
from chat.models import Conversation, Message
from streaming.errors import Refused
from streaming.models import Generation
from streaming.states import Status
from tests.integration.chat.factories import answer_of, end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db


def frame_of(after: Any) -> dict[str, Any]:
    (frame,) = (frame for group, frame in after.broadcasts if group.startswith("conversation."))
    return json.loads(frame)  # type: ignore[no-any-return]


def ids(frame: dict[str, Any]) -> list[int]:
    return [message["id"] for message in frame["messages"]]


def shown(conversation: Conversation) -> list[int]:
    return list(conversation.messages.filter(shown=True).order_by("pk").values_list("pk", flat=True))


def talk(ann: Any, conversation: Conversation, *questions: str) -> list[Any]:
    """Questions, each with its finished answer."""
    sent = []
    for question in questions:
        sent.append(send(ann, conversation, question))
        end(sent[-1].generation, f"About {question}")
    return sent


def test_each_message_follows_the_one_before() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    talk(ann, conversation, "One", "Two")
    rows = list(Message.objects.order_by("pk"))
    assert [row.parent_id for row in rows] == [None, *(row.pk for row in rows[:-1])]


def test_an_edited_question_is_a_new_version_with_a_new_answer() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    first, second = talk(ann, conversation, "Helo", "Two")
    asked = versions.edit_message(ann, first.message, "Hello")
    question, answer = Message.objects.get(pk=asked.message), answer_of(asked)
    assert (question.text, question.parent, question.author) == ("Hello", None, ann)
    assert question.edited_at is not None
    frame = frame_of(asked.after)
    assert ids(frame) == [question.pk, answer.pk]
    assert frame["messages"][0]["siblings"] == [first.message, question.pk]
    assert frame["removed"] == [first.message, answer_of(first).pk, second.message, answer_of(second).pk]
    assert asked.after.start == [asked.generation] == [str(answer.generation_id)]
    assert shown(conversation) == [question.pk, answer.pk]
    assert Message.objects.get(pk=first.message).text == "Helo"


def test_asking_again_puts_a_new_answer_in_the_place_of_the_old_one() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    first, second = talk(ann, conversation, "One", "Two")
    asked = versions.regenerate(bob, UUID(first.generation))
    new = answer_of(asked)
    assert (asked.message, new.generation.user) == (first.message, bob)  # type: ignore[union-attr]
    frame = frame_of(asked.after)
    assert ids(frame) == [new.pk]
    assert frame["messages"][0]["siblings"] == [Message.objects.get(generation_id=first.generation).pk, new.pk]
    assert len(frame["removed"]) == 3
    assert shown(conversation) == [first.message, new.pk]
    assert second.message not in shown(conversation)


def test_a_failed_answer_is_asked_again_too() -> None:
    ann = make_person()
    sent = send(ann, make_conversation(ann))
    end(sent.generation, "", Status.FAILED)
    assert versions.regenerate(ann, UUID(sent.generation)).generation != sent.generation


def test_another_model_can_be_asked(settings: Any) -> None:
    models = tuple({"alias": alias, "label": alias, "provider": "demo", "model": alias} for alias in ("demo", "other"))
    settings.STREAMING = {**settings.STREAMING, "models": models}
    ann = make_person()
    conversation = make_conversation(ann)
    (sent,) = talk(ann, conversation, "One")
    asked = versions.regenerate(ann, UUID(sent.generation), "other")
    assert Generation.objects.get(pk=asked.generation).model == "other"
    assert frame_of(asked.after)["messages"][0]["model"] == "other"
    end(asked.generation)
    edited = versions.edit_message(ann, sent.message, "Uno", "demo")
    assert (Message.objects.get(pk=edited.message).model, answer_of(edited).model) == ("demo", "demo")
    with pytest.raises(Refused) as refused:
        versions.regenerate(ann, UUID(sent.generation), "nobody")
    assert refused.value.code in {"unknown_model", "busy"}


def test_switching_brings_back_all_that_followed() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    first, _ = talk(ann, conversation, "One", "Two")
    before = shown(conversation)
    end(versions.edit_message(ann, first.message, "Uno").generation)
    after = shown(conversation)
    frame = frame_of(versions.switch_version(bob, first.message))
    assert (ids(frame), sorted(frame["removed"])) == (before, after)
    assert shown(conversation) == before
    versions.switch_version(bob, after[0])
    assert shown(conversation) == after


def test_switching_to_what_is_shown_changes_nothing() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    (sent,) = talk(ann, conversation, "One")
    assert versions.switch_version(ann, sent.message).broadcasts == []
    assert Conversation.objects.get(pk=conversation.pk).revision == conversation.revision + 2


def test_a_long_branch_comes_as_the_newest_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.selectors.PAGE_MESSAGES", 4)
    ann = make_person()
    conversation = make_conversation(ann)
    first, *_ = talk(ann, conversation, "One", "Two", "Three")
    frame = frame_of(versions.edit_message(ann, first.message, "Uno").after)
    assert (frame["complete"], frame["older"], len(frame["messages"])) == (True, False, 2)


def test_while_an_answer_runs_nothing_is_switched_edited_or_asked_again() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    (first,) = talk(ann, conversation, "One")
    end(versions.edit_message(ann, first.message, "Uno").generation)
    send(ann, conversation, "Two")
    before = list(Message.objects.values())
    shown_question = shown(conversation)[0]
    for refused in (
        lambda: versions.switch_version(ann, first.message),
        lambda: versions.edit_message(ann, shown_question, "Eins"),
        lambda: versions.regenerate(ann, UUID(first.generation)),
    ):
        with pytest.raises(Refused) as error:
            refused()
        assert (error.value.code, error.value.retryable) == ("busy", True)
    assert list(Message.objects.values()) == before


def test_what_is_not_shown_is_not_edited_or_asked_again() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    (first,) = talk(ann, conversation, "One")
    end(versions.edit_message(ann, first.message, "Uno").generation)
    for refused in (
        lambda: versions.edit_message(ann, first.message, "Eins"),
        lambda: versions.regenerate(ann, UUID(first.generation)),
    ):
        with pytest.raises(Refused) as error:
            refused()
        assert error.value.code == "conflict"


def test_a_waiting_question_changes_in_its_place() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    running = send(ann, conversation, "One")
    waiting = send(ann, conversation, "Twoo")
    asked = versions.edit_message(ann, waiting.message, "Two")
    (message,) = frame_of(asked.after)["messages"]
    assert (message["id"], message["text"], message["state"]) == (waiting.message, "Two", "pending")
    assert (asked.generation, asked.after.start) == (None, [])
    end(running.generation)
    assert Message.objects.get(pk=waiting.message).parent == answer_of(running)


def test_a_waiting_question_can_be_withdrawn_and_does_not_come_back() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    running = send(ann, conversation)
    waiting = [send(bob, conversation, str(n), client_message_id=f"w{n}") for n in range(2)]
    frame = frame_of(versions.cancel_message(bob, waiting[0].message))
    assert (frame["messages"], frame["removed"]) == ([], [waiting[0].message])
    assert versions.cancel_message(bob, waiting[0].message).broadcasts == []
    again = send(bob, conversation, "0", client_message_id="w0")
    assert (again.message, again.generation, again.after.broadcasts) == (waiting[0].message, None, [])
    assert not Message.objects.filter(text="0").exists()
    (started,) = end(running.generation).after.start
    assert Message.objects.get(generation_id=started).parent_id == waiting[1].message


def test_only_its_author_and_owners_withdraw_a_question_and_only_while_it_waits() -> None:
    ann, bob, cat = make_person(), make_person(), make_person()
    conversation = make_conversation(ann, members=[bob, cat])
    running = send(ann, conversation)
    waiting = [send(bob, conversation) for _ in range(2)]
    with pytest.raises(Forbidden):
        versions.cancel_message(cat, waiting[0].message)
    versions.cancel_message(ann, waiting[0].message)
    end(running.generation)
    with pytest.raises(Refused) as refused:
        versions.cancel_message(bob, waiting[1].message)
    assert refused.value.code == "conflict"


def test_nobody_changes_the_words_of_others_or_of_a_model() -> None:
    ann, bob, eve = make_person(), make_person(), make_person()
    conversation = make_conversation(ann, members=[bob], viewers=[eve])
    (sent,) = talk(ann, conversation, "One")
    for person, message in ((bob, sent.message), (ann, answer_of(sent).pk), (eve, sent.message)):
        with pytest.raises(Forbidden):
            versions.edit_message(person, message, "Ann agrees")
    with pytest.raises(Forbidden):
        versions.switch_version(eve, sent.message)
    with pytest.raises(Forbidden):
        versions.regenerate(eve, UUID(sent.generation))
    for nowhere in (versions.switch_version, versions.cancel_message):
        with pytest.raises(NotFound):
            nowhere(ann, 2**40)


@pytest.mark.parametrize("text", ["", "x" * 32_001, "a\0b"])
def test_a_change_is_held_to_the_same_rules_as_a_new_message(text: str) -> None:
    ann = make_person()
    sent = send(ann, make_conversation(ann))
    with pytest.raises(Refused):
        versions.edit_message(ann, sent.message, text)


def test_a_refusal_of_the_engine_leaves_the_path_as_it_was(settings: Any) -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    (sent,) = talk(ann, conversation, "One")
    before = list(Message.objects.values())
    settings.STREAMING = {**settings.STREAMING, "live_generations_per_user_max": 0}
    for refused in (
        lambda: versions.edit_message(ann, sent.message, "Uno"),
        lambda: versions.regenerate(ann, UUID(sent.generation)),
    ):
        with pytest.raises(Refused):
            refused()
    assert list(Message.objects.values()) == before


def test_an_answer_asked_again_lets_later_messages_wait() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    (sent,) = talk(ann, conversation, "One")
    versions.regenerate(ann, UUID(sent.generation))
    assert send(ann, conversation).generation is None


def test_what_no_model_answers_changes_in_its_place() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    Conversation.objects.filter(pk=conversation.pk).update(reply_policy="mention")
    said = send(ann, conversation, "Helo all")
    send(bob, conversation, "Hello ann")
    asked = versions.edit_message(ann, said.message, "Hello all")
    assert (asked.message, asked.generation, frame_of(asked.after)["removed"]) == (said.message, None, [])
    assert versions.model_for_edit(ann, said.message, "Hello", None) is None
    called = versions.edit_message(ann, said.message, "Hello @assistant")
    assert called.message != said.message
    assert called.generation is not None
    end(called.generation)
    silent = versions.edit_message(ann, called.message, "Hello all again")
    assert (silent.generation, shown(conversation)) == (None, [silent.message])
    assert frame_of(silent.after)["messages"][0]["siblings"] == [said.message, called.message, silent.message]


def test_a_waiting_question_can_be_given_to_another_model(settings: Any) -> None:
    models = tuple({"alias": alias, "label": alias, "provider": "demo", "model": alias} for alias in ("demo", "other"))
    settings.STREAMING = {**settings.STREAMING, "models": models}
    ann = make_person()
    conversation = make_conversation(ann)
    send(ann, conversation, "First")
    waiting = send(ann, conversation, "Second")
    versions.edit_message(ann, waiting.message, "@other Second")
    assert Message.objects.get(pk=waiting.message).model == "other"
    versions.edit_message(ann, waiting.message, "Second", "demo")
    assert Message.objects.get(pk=waiting.message).model == "demo"
