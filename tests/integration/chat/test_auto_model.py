"""Questions to the model "auto"."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from chat import services
from chat.models import Message
from streaming import services as streaming
from streaming.errors import Refused
from tests.integration.chat.factories import answer_of, end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db
MODELS = tuple({"alias": alias, "label": alias, "provider": "demo", "model": alias} for alias in ("mini", "maxi"))


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.STREAMING = settings.STREAMING | {"models": MODELS, "auto": {"small": "mini", "large": "maxi"}}


@pytest.mark.parametrize("asked", ["auto", None])
@pytest.mark.parametrize(("text", "answers"), [("Hello", "mini"), ("Prove it", "maxi")])
def test_question_and_answer_name_the_model_that_was_chosen(asked: str | None, text: str, answers: str) -> None:
    ann = make_person("ann")
    sent = send(ann, make_conversation(ann), text, model=asked)
    answer = answer_of(sent)
    assert answer.generation is not None
    assert {answer.model, answer.generation.model, Message.objects.get(pk=sent.message).model} == {answers}


def test_a_question_that_waits_behind_an_answer_is_decided_when_it_is_sent() -> None:
    ann = make_person("ann")
    conversation = make_conversation(ann)
    first = send(ann, conversation, "Hello", model="auto")
    waiting = send(ann, conversation, "Prove it", model="auto")
    assert Message.objects.get(pk=waiting.message).model == "maxi"
    end(first.generation)
    assert answer_of(waiting).model == "maxi"


def test_a_long_conversation_goes_to_the_large_model() -> None:
    ann = make_person("ann")
    conversation = make_conversation(ann)
    Message.objects.bulk_create(Message(conversation=conversation, role="user", text="Hm") for _ in range(21))
    assert services.choose_model(conversation.pk, "And then?", "auto") == "maxi"


def test_it_heads_the_picker_while_both_models_can_be_used(settings: Any) -> None:
    assert [choice.alias for choice in streaming.model_choices()] == ["auto", "mini", "maxi"]
    client = Client()
    client.force_login(ann := make_person("ann"))
    page = client.get(f"/conversations/{make_conversation(ann).pk}/").text
    assert page.index('value="auto"') < page.index('value="mini"')
    settings.STREAMING = settings.STREAMING | {"models": (MODELS[0], MODELS[1] | {"unavailable": "No key."})}
    assert [choice.alias for choice in streaming.model_choices()] == ["mini", "maxi"]
    with pytest.raises(Refused) as refused:
        send(ann, make_conversation(ann), model="auto")
    assert refused.value.code == "unknown_model"


def test_a_chosen_model_is_not_judged_by_the_rule() -> None:
    ann = make_person("ann")
    assert answer_of(send(ann, make_conversation(ann), "Prove it", model="mini")).model == "mini"
