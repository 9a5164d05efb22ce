"""Which messages a model answers."""

from __future__ import annotations

from typing import Any

import pytest

from chat import prompts, selectors, services
from chat.models import Conversation, Message
from streaming.errors import Refused
from streaming.models import Generation
from tests.integration.chat.factories import end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db


def make(policy: str) -> tuple[Any, Conversation]:
    ann = make_person(first_name="Ann")
    conversation = make_conversation(ann, members=[make_person()])
    Conversation.objects.filter(pk=conversation.pk).update(reply_policy=policy)
    return ann, conversation


@pytest.mark.parametrize(
    ("policy", "text", "answered"),
    [
        ("always", "Hello", True),
        ("mention", "Hello", False),
        ("mention", "@assistant hello", True),
        ("mention", "What does @demo say?", True),
        ("off", "@assistant hello", False),
    ],
)
def test_the_policy_says_which_messages_are_answered(policy: str, text: str, answered: bool) -> None:
    ann, conversation = make(policy)
    sent = send(ann, conversation, text)
    assert (sent.generation is not None) is answered
    assert Generation.objects.exists() is answered
    question = Message.objects.get(pk=sent.message)
    assert (question.state, question.text) == ("sent", text)


def test_what_is_not_answered_waits_for_nothing_and_may_be_sent_while_an_answer_runs() -> None:
    ann, conversation = make("mention")
    running = send(ann, conversation, "@assistant hello")
    for number in range(10):
        sent = send(ann, conversation, f"among ourselves {number}")
        assert selectors.messages_by_id([sent.message])[0]["state"] == "sent"
    assert end(running.generation).after.start == []


def test_what_was_said_among_people_is_part_of_what_the_model_is_told_later() -> None:
    ann, conversation = make("mention")
    send(ann, conversation, "Bob likes tea.")
    asked = send(ann, conversation, "@assistant what does Bob like?")
    assert asked.generation is not None
    told = [message.text for message in prompts.build_prompt(asked.generation).messages]
    assert told == ["Ann: Bob likes tea.", "Ann: @assistant what does Bob like?"]


def test_sending_it_again_changes_nothing() -> None:
    ann, conversation = make("off")
    first = send(ann, conversation, client_message_id="once")
    assert send(ann, conversation, client_message_id="once").message == first.message
    assert Message.objects.count() == 1
    assert services.would_ask(ann, conversation.pk, "another", "@assistant") is False


def test_people_talk_to_each_other_on_a_site_without_models(settings: Any) -> None:
    settings.STREAMING = {**settings.STREAMING, "models": ()}
    ann, conversation = make("off")
    assert send(ann, conversation, "Hello Bob").generation is None
    ann, conversation = make("always")
    with pytest.raises(Refused):
        send(ann, conversation, "Hello")
    assert not Message.objects.filter(conversation=conversation).exists()


@pytest.mark.parametrize(("policy", "word"), [("always", 'message"'), ("mention", "@assistant"), ("off", "no model")])
def test_the_composer_says_when_a_model_answers(policy: str, word: str, client: Any) -> None:
    ann, conversation = make(policy)
    client.force_login(ann)
    page = client.get(f"/conversations/{conversation.pk}/").content.decode()
    assert word in page[page.index(' placeholder="Write') :].split(">")[0]
