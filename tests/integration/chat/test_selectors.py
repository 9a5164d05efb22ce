from typing import Any

import pytest

from chat import people, selectors, versions
from chat.models import Message
from streaming.models import Generation
from streaming.states import Status
from tests.integration.chat.factories import answer_of, end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db


def ids(messages: list[Any]) -> list[int]:
    return [message["id"] for message in messages]


def test_pages_reach_back_to_the_first_message() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    for number in range(4):
        end(send(ann, conversation, str(number)).generation)
    every = list(Message.objects.order_by("pk").values_list("pk", flat=True))
    newest = selectors.message_page(conversation.pk, limit=3)
    assert (ids(newest.messages), newest.older) == (every[-3:], True)
    older = selectors.message_page(conversation.pk, before=every[-3], limit=5)
    assert (ids(older.messages), older.older) == (every[:5], False)
    assert selectors.message_page(conversation.pk, before=every[0]).messages == []
    assert ids(selectors.message_page(conversation.pk, before=2**70).messages) == every


def test_a_page_of_long_answers_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "PAGE_CHARS", 1000)
    ann = make_person()
    conversation = make_conversation(ann)
    for _ in range(3):
        end(send(ann, conversation, "?").generation, "x" * 600)
    page = selectors.message_page(conversation.pk)
    assert (len(page.messages), page.older) == (2, True)
    end(send(ann, conversation, "?").generation, "x" * 5000)
    page = selectors.message_page(conversation.pk)
    assert (len(page.messages), page.older) == (1, True)


def test_changes_that_would_not_fit_a_frame_are_replaced_by_the_newest_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "PAGE_CHARS", 1000)
    ann = make_person()
    conversation = make_conversation(ann)
    since = conversation.revision
    for _ in range(3):
        end(send(ann, conversation, "?").generation, "x" * 600)
    conversation.refresh_from_db()
    changed = selectors.changed_since(conversation, since)
    assert (changed.complete, changed.older) == (True, True)
    assert len(changed.messages) == 2


def test_an_answer_shows_its_text_only_when_it_has_ended() -> None:
    ann = make_person()
    sent = send(ann, make_conversation(ann))
    Generation.objects.filter(pk=sent.generation).update(text="a checkpoint", status=Status.STREAMING)
    assert selectors.messages_by_id([answer_of(sent).pk])[0]["text"] == ""
    Generation.objects.filter(pk=sent.generation).update(text="the whole", status=Status.INTERRUPTED)
    assert selectors.messages_by_id([answer_of(sent).pk])[0]["text"] == "the whole"


def test_an_answer_says_why_it_ended_also_later() -> None:
    ann = make_person()
    sent = send(ann, make_conversation(ann))
    end(sent.generation, reason="length")
    generation = selectors.messages_by_id([answer_of(sent).pk])[0]["generation"]
    assert generation is not None
    assert (generation["status"], generation["reason"], generation["message"]) == ("completed", "length", "")


def test_what_changed_since_is_exactly_what_changed() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    sent = send(ann, conversation)
    end(sent.generation)
    conversation.refresh_from_db()
    since = conversation.revision
    nothing = selectors.changed_since(conversation, since)
    assert (nothing.messages, nothing.complete, nothing.revision) == ([], None, since)
    edited = versions.edit_message(ann, sent.message, "Changed")
    people.rename(ann, conversation.pk, "New name")
    conversation.refresh_from_db()
    changed = selectors.changed_since(conversation, since)
    assert (ids(changed.messages), changed.title) == ([edited.message, answer_of(edited).pk], "New name")
    assert (changed.removed, changed.revision) == ([sent.message, answer_of(sent).pk], since + 2)


def test_a_page_costs_one_query_whatever_its_length(django_assert_num_queries: Any) -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    for _ in range(5):
        end(send(ann, conversation).generation)
    with django_assert_num_queries(1):
        assert len(selectors.message_page(conversation.pk).messages) == 10


def test_times_are_in_utc_with_milliseconds() -> None:
    ann = make_person()
    sent = send(ann, make_conversation(ann))
    created = selectors.messages_by_id([sent.message])[0]["created_at"]
    assert created.endswith("Z")
    assert len(created) == len("2026-11-20T10:00:00.000Z") == len(selectors.now())
