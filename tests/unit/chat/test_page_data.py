from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from chat import page_data
from chat.events import ConversationChanged, MessageData
from chat.selectors import moment
from streaming.services import ModelChoice

ME, OTHER = 1, 2


def message(id: int, **more: Any) -> MessageData:
    data: dict[str, Any] = {
        "id": id, "role": "user", "author": {"id": ME, "name": "ann"}, "text": f"text {id}", "state": "sent",
        "model": "demo", "created_at": "2026-11-20T10:00:00.000Z", "edited_at": None, "ended": "",
        "revision": 1, "parent": None,
        "siblings": [], "client_message_id": f"c{id}", "generation": None,
    }  # fmt: skip
    return data | more  # type: ignore[return-value]


def answer(id: int, parent: int, status: str, **more: Any) -> MessageData:
    generation = {
        "id": str(uuid4()), "status": status, "model": "demo", "reason": "", "code": "", "message": "",
        "retryable": False, "input_tokens": None, "output_tokens": None, "cached_tokens": None, "waited_ms": None,
        "first_text_ms": None, "duration_ms": None,
    }  # fmt: skip
    return message(id, role="assistant", author=None, parent=parent, generation=generation | more)


def test_answers_stand_below_their_questions() -> None:
    messages = [message(1), message(2), answer(3, 1, "failed"), answer(4, 2, "completed"), answer(5, 1, "completed")]
    assert [item["id"] for item in page_data.in_reading_order(messages)] == [1, 3, 5, 2, 4]


def test_each_status_has_a_state_of_the_page() -> None:
    wanted = {
        "queued": "answering", "admitted": "answering", "streaming": "answering", "completed": "done",
        "stopped": "stopped", "interrupted": "interrupted", "failed": "failed", "expired": "failed",
    }  # fmt: skip
    assert {status: page_data.message_state(answer(2, 1, status)) for status in wanted} == wanted
    assert page_data.message_state(message(1, state="pending")) == "waiting"
    assert page_data.message_state(message(1)) == "done"


def test_what_comes_before_a_page_is_asked_for_by_what_its_first_message_follows() -> None:
    waited = [message(4, parent=7), answer(8, 4, "completed")]
    assert page_data.before_first(waited) == 8
    assert page_data.before_first([answer(8, 4, "completed"), message(9, parent=8)]) == 8
    assert page_data.before_first([message(1)]) == 1
    assert page_data.before_first([]) is None


def test_a_failed_answer_says_why() -> None:
    rows = page_data.message_rows([answer(2, 1, "failed", message="No key."), answer(3, 1, "stopped")], ME)
    assert [row.note for row in rows] == ["No key.", "Stopped."]


def test_an_answer_that_was_cut_says_so() -> None:
    messages = [answer(2, 1, "completed", reason="length"), answer(3, 1, "completed", reason="stop")]
    rows = page_data.message_rows([*messages, answer(4, 1, "stopped", reason="content_filter", message="Why.")], ME)
    assert [row.note for row in rows] == ["The answer was cut at its maximum length.", "", "Why."]


def test_an_answer_without_text_says_so() -> None:
    said, silent = answer(2, 1, "completed", reason="stop"), answer(3, 1, "completed", reason="stop") | {"text": ""}
    rows = page_data.message_rows([said | {"text": "Yes."}, silent, answer(4, 1, "streaming") | {"text": ""}], ME)
    assert [row.note for row in rows] == ["", "The model had nothing to say.", "Answering…"]


def test_own_messages_are_marked() -> None:
    theirs = message(2, author={"id": OTHER, "name": "bob"})
    assert [row.own for row in page_data.message_rows([message(1), theirs, answer(3, 2, "queued")], ME)] == [
        True, False, False,
    ]  # fmt: skip


def test_the_initial_state_leaves_texts_to_the_page() -> None:
    changed = ConversationChanged(
        conversation="c", revision=3, title="t", reply_policy="off", participants=[], messages=[message(1)]
    )
    state = page_data.initial_state(changed, "owner", ME)
    assert state["messages"][0]["text"] is None
    assert (state["revision"], state["older"], state["user"]) == (3, False, ME)


def test_conversations_are_grouped_as_people_remember() -> None:
    now = timezone.now()
    ages = [0, 0, 1, 3, 400]
    entries: list[Any] = [{"title": str(age), "changed_at": moment(now - timedelta(days=age))} for age in ages]
    days = page_data.by_day(entries)
    assert [(day.label, len(day.entries)) for day in days][:3] == [
        ("Today", 2), ("Yesterday", 1), ("Last seven days", 1),
    ]  # fmt: skip
    assert days[3].label == f"{now - timedelta(days=400):%B %Y}"


def test_a_model_that_cannot_be_had_says_why() -> None:
    choices = [ModelChoice("a", "A", None), ModelChoice("b", "B", "No key.")]
    rows = page_data.model_rows(choices, "a")
    assert [(row["alias"], row["why_not"], row["chosen"]) for row in rows] == [
        ("a", None, True),
        ("b", "No key.", False),
    ]
