"""Who names a conversation, and in which order they may."""

from __future__ import annotations

from typing import Any

import pytest

from chat import errands, people, titles
from chat.models import Conversation, Errand
from streaming.models import Generation
from streaming.states import Status
from tests.integration.chat.factories import end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _titles(settings: Any) -> None:
    settings.TITLE_MODEL = ""


def titled(conversation: Conversation) -> tuple[str, str]:
    conversation.refresh_from_db()
    return conversation.title, conversation.title_by


def asked(ann: Any, question: str = "Which rivers flow into the Black Sea?") -> tuple[Conversation, str]:
    """A conversation whose first question was answered, and the generation that looks for a title."""
    conversation = people.create_conversation(ann)
    (title,) = end(send(ann, conversation, question).generation, "The Danube and others.").after.start
    return conversation, title


def test_first_words_stand_at_once_and_a_model_finds_better_ones_after_the_first_answer() -> None:
    ann = make_person()
    conversation = people.create_conversation(ann)
    assert (str(conversation), conversation.title_by) == ("New conversation", "")
    sent = send(ann, conversation, "Which rivers flow\ninto the Black Sea?")
    assert titled(conversation) == ("Which rivers flow into the Black Sea?", "words")
    (title,) = end(sent.generation, "The Danube and others.").after.start
    request = Generation.objects.get(pk=title)
    assert (request.user, request.status, request.model) == (ann, Status.QUEUED, "demo")
    prompt = errands.build_prompt(title)
    assert "Which rivers flow" in prompt.messages[0].text
    assert "The Danube and others." in prompt.messages[0].text
    assert prompt.max_tokens == titles.MAX_TOKENS
    ended = end(title, ' **"Rivers of the Black Sea."**\nAnd more')
    assert titled(conversation) == ("Rivers of the Black Sea", "model")
    assert {group.partition(".")[0] for group, _ in ended.after.broadcasts} == {"conversation", "person"}
    assert end(send(ann, conversation, "And lakes?").generation).after.start == []


def test_a_persons_title_is_never_overwritten() -> None:
    ann = make_person()
    conversation, title = asked(ann)
    people.rename(ann, conversation.pk, "Homework")
    assert end(title, "Rivers").after.broadcasts == []
    assert titled(conversation) == ("Homework", "person")
    assert end(send(ann, make_conversation(ann)).generation).after.start == []  # it has a title of a person's


def test_an_emptied_title_is_found_anew() -> None:
    ann = make_person()
    conversation, _ = asked(ann)
    people.rename(ann, conversation.pk, " \u200b ")
    assert titled(conversation) == ("", "")
    send(ann, conversation, "And lakes?")
    assert titled(conversation) == ("And lakes?", "words")


@pytest.mark.parametrize("text", ["", " \n\u200b", '""', "***"])
def test_a_model_without_words_changes_nothing(text: str) -> None:
    ann = make_person()
    conversation, title = asked(ann)
    end(title, text)
    assert titled(conversation)[1] == "words"


def test_a_failed_search_for_a_title_is_not_repeated() -> None:
    ann = make_person()
    conversation, title = asked(ann)
    end(title, "Riv", Status.FAILED)
    assert titled(conversation)[1] == "words"
    assert end(send(ann, conversation, "And lakes?").generation).after.start == []
    assert Errand.objects.count() == 1


def test_a_title_by_a_model_is_short_and_on_one_line() -> None:
    ann = make_person()
    conversation, title = asked(ann)
    end(title, "\u202e" + "very long " * 50)
    found, by = titled(conversation)
    assert (len(found) <= 60, found.startswith("very long"), by) == (True, True, "model")


def test_whoever_may_ask_nothing_more_keeps_the_first_words(settings: Any) -> None:
    ann = make_person()
    conversation = people.create_conversation(ann)
    sent = send(ann, conversation, "Which rivers?")
    settings.STREAMING = {**settings.STREAMING, "live_generations_per_user_max": 0}
    assert end(sent.generation).after.start == []
    assert titled(conversation) == ("Which rivers?", "words")


def test_a_site_may_do_without(settings: Any) -> None:
    settings.TITLE_MODEL = "off"
    ann = make_person()
    conversation = people.create_conversation(ann)
    assert end(send(ann, conversation).generation).after.start == []


def test_an_answer_that_did_not_come_to_its_end_asks_for_no_title() -> None:
    ann = make_person()
    conversation = people.create_conversation(ann)
    assert end(send(ann, conversation).generation, "Half", Status.STOPPED).after.start == []
