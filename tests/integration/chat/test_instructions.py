"""The system prompt of a conversation."""

from __future__ import annotations

import json

import pytest

from chat import instructions, prompts, selectors
from chat.access import Forbidden, NotFound
from chat.models import Conversation
from streaming.errors import Refused
from tests.integration.chat.factories import make_conversation, make_person, send

pytestmark = pytest.mark.django_db


def test_it_counts_from_the_next_answer_on_and_everybody_sees_it() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    after = instructions.instruct(bob, conversation.pk, "  Answer in verse.\n")
    (frame,) = (json.loads(text) for group, text in after.broadcasts if group.startswith("conversation."))
    assert frame["told"] == {"system_prompt": "Answer in verse.", "summary": None}
    assert prompts.build_prompt(str(send(ann, conversation).generation)).system.startswith("Answer in verse.")
    conversation.refresh_from_db()
    since = selectors.changed_since(conversation, conversation.revision - 1)
    assert since.told is not None
    assert since.told["system_prompt"] == "Answer in verse."


def test_without_words_it_is_the_usual_one() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    instructions.instruct(ann, conversation.pk, "Answer in verse.")
    instructions.instruct(ann, conversation.pk, " \n")
    assert prompts.build_prompt(str(send(ann, conversation).generation)).system == prompts.DEFAULT_SYSTEM


def test_the_same_words_change_nothing() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    assert instructions.instruct(ann, conversation.pk, "").broadcasts == []
    assert Conversation.objects.get(pk=conversation.pk).revision == conversation.revision


@pytest.mark.parametrize(("text", "code"), [("x" * 20_001, "message_too_long"), ("a\0b", "invalid_text")])
def test_what_cannot_be_kept_is_refused(text: str, code: str) -> None:
    ann = make_person()
    with pytest.raises(Refused) as refused:
        instructions.instruct(ann, make_conversation(ann).pk, text)
    assert refused.value.code == code


def test_only_those_who_may_write_change_it() -> None:
    ann, bob, eve = make_person(), make_person(), make_person()
    conversation = make_conversation(ann, viewers=[bob])
    with pytest.raises(Forbidden):
        instructions.instruct(bob, conversation.pk, "x")
    with pytest.raises(NotFound):
        instructions.instruct(eve, conversation.pk, "x")
