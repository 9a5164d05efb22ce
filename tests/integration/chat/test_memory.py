"""Conversations that grow too long for a prompt: what is told word for word, what as a summary, what no more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat import memory, prompts, selectors, versions
from chat.errands import build_prompt
from chat.models import Conversation, Errand, Message, Summary
from streaming.models import Generation
from streaming.states import Status
from tests.integration.chat.factories import end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db
WINDOW = 400
QUESTION, ANSWER = "q" * 100, "a" * 100  # 25 tokens each


@pytest.fixture(autouse=True)
def small_window(settings: Any) -> None:
    settings.MEMORY_MODEL = ""
    settings.STREAMING = {**settings.STREAMING, "prompt_max_tokens": WINDOW}


class Talk:
    """A conversation in which the provider counts what it reads."""

    def __init__(self) -> None:
        self.ann = make_person()
        self.conversation = make_conversation(self.ann)
        self.questions: list[int] = []

    def turn(self, question: str = QUESTION, answer: str = ANSWER) -> list[str]:
        """A question with its answer; what is to be made after it."""
        sent = send(self.ann, self.conversation, question)
        self.questions.append(sent.message)
        prompt = prompts.build_prompt(str(sent.generation))
        read = sum(len(text) for text in prompt.texts) // 4
        Generation.objects.filter(pk=sent.generation).update(input_tokens=read, output_tokens=len(answer) // 4)
        return end(sent.generation, answer).after.start

    def until_due(self) -> str:
        for _ in range(20):
            if due := self.turn():
                return due[0]
        raise AssertionError("no summary was asked for")

    def summarised(self, text: str = "They said q and a.") -> Summary:
        errand = self.until_due()
        end(errand, text)
        return Summary.objects.get(generation_id=errand)

    def prompt(self) -> list[str]:
        sent = send(self.ann, self.conversation, "Next?")
        told = [message.text for message in prompts.build_prompt(str(sent.generation)).messages]
        end(sent.generation, "Yes.")
        return told

    def told(self) -> Any:
        self.conversation.refresh_from_db()
        found = selectors.changed_since(self.conversation, None).told
        assert found is not None
        return found["summary"]


def is_summary(text: str) -> bool:
    return text.startswith("Summary of the earlier part")


def test_a_short_conversation_has_none() -> None:
    talk = Talk()
    assert [talk.turn() for _ in range(3)] == [[], [], []]
    assert not Summary.objects.exists()


def test_near_the_window_the_older_part_is_summarised_for_whoever_asked() -> None:
    talk = Talk()
    errand = talk.until_due()
    row = Summary.objects.get(generation_id=errand)
    kept = sum(question > row.through_turn for question in talk.questions)
    assert 2 <= kept * 50 / 50 < len(talk.questions)
    assert kept * 50 <= memory.KEPT * WINDOW
    generation = Generation.objects.get(pk=errand)
    assert (generation.user, Errand.objects.get(pk=errand).kind) == (talk.ann, "summary")
    prompt = build_prompt(errand)
    assert prompt.system == memory.SYSTEM
    assert prompt.messages[0].text.count(QUESTION) == len(talk.questions) - kept
    assert prompt.cache_key == ""
    assert talk.turn() == []  # one is being made
    assert talk.told() is None


def test_the_summary_takes_the_place_of_what_it_stands_for_and_everybody_can_read_it() -> None:
    talk = Talk()
    errand = talk.until_due()
    ended = end(errand, "They said q and a.")
    (frame,) = (json.loads(text) for group, text in ended.after.broadcasts if group.startswith("conversation."))
    row = Summary.objects.get(generation_id=errand)
    assert frame["told"]["summary"] == {
        "through": row.through_message_id,
        "text": "They said q and a.",
        "model": "demo",
    }
    assert frame["messages"] == []
    kept = sum(question > row.through_turn for question in talk.questions)
    told = talk.prompt()
    assert [is_summary(text) for text in told] == [True, *[False] * (len(told) - 1)]
    assert told[0].endswith("They said q and a.")
    assert len(told) == 1 + 2 * kept + 1
    assert talk.told()["text"] == "They said q and a."


def test_summaries_roll_on() -> None:
    talk = Talk()
    first = talk.summarised("The first.")
    second = talk.until_due()
    assert build_prompt(second).messages[0].text.startswith("Summary so far:\nThe first.")
    assert build_prompt(second).messages[0].text.count(QUESTION) < len(talk.questions) - 2
    end(second, "The second.")
    assert talk.told()["text"] == "The second."
    assert Summary.objects.get(generation_id=second).through_turn > first.through_turn


@pytest.mark.parametrize("status", [Status.FAILED, Status.STOPPED])
def test_without_a_summary_the_oldest_turns_are_left_out(status: Status) -> None:
    talk = Talk()
    errand = talk.until_due()
    end(errand, "" if status == Status.FAILED else "Half a", status)
    assert not Summary.objects.exists()
    for _ in range(6):
        for generation in talk.turn():
            end(generation, "", Status.FAILED)
    told = talk.prompt()
    assert not any(map(is_summary, told))
    assert sum(map(len, told)) // 4 <= WINDOW
    assert len(told) < 2 * len(talk.questions)


def test_none_is_made_where_it_is_turned_off(settings: Any) -> None:
    settings.MEMORY_MODEL = "off"
    talk = Talk()
    assert [talk.turn() for _ in range(10)] == [[]] * 10


def test_who_may_ask_nothing_gets_none(settings: Any) -> None:
    settings.MEMORY_MODEL = "nobody"
    talk = Talk()
    assert [talk.turn() for _ in range(10)] == [[]] * 10
    assert not Summary.objects.exists()


def test_a_summary_belongs_to_the_path_it_was_made_of() -> None:
    talk = Talk()
    row = talk.summarised("The secret is Tuvalu.")
    edited = versions.edit_message(talk.ann, talk.questions[0], "Something else")
    frame = next(text for group, text in edited.after.broadcasts if group.startswith("conversation."))
    assert json.loads(frame)["told"]["summary"] is None
    end(edited.generation)
    assert "Tuvalu" not in str(talk.prompt())
    versions.switch_version(talk.ann, talk.questions[0])
    assert talk.told()["through"] == row.through_message_id
    assert is_summary(talk.prompt()[0])


def test_what_was_deleted_or_changed_is_not_told_by_a_summary() -> None:
    for change in ("delete", "edit"):
        talk = Talk()
        talk.summarised("The secret is Tuvalu.")
        if change == "delete":
            Message.objects.filter(pk=talk.questions[1]).delete()
        else:  # in its place, as where no model answers
            Conversation.objects.filter(pk=talk.conversation.pk).update(reply_policy="off")
            Message.objects.filter(parent=talk.questions[0]).update(role="user")
            versions.edit_message(talk.ann, talk.questions[0], "No secret")
            Conversation.objects.filter(pk=talk.conversation.pk).update(reply_policy="always")
        assert talk.told() is None, change
        assert "Tuvalu" not in str(talk.prompt()), change


def test_a_question_of_another_branch_is_told_its_own_past() -> None:
    """The path was switched after it was asked: then no summary of the shown one speaks for it."""
    talk = Talk()
    talk.summarised("The secret is Tuvalu.")
    sent = send(talk.ann, talk.conversation, "Next?")
    before = [message.text for message in prompts.build_prompt(str(sent.generation)).messages]
    assert is_summary(before[0])
    Message.objects.filter(conversation=talk.conversation).update(shown=False)
    after = [message.text for message in prompts.build_prompt(str(sent.generation)).messages]
    assert after[-1] == "Next?"
    assert not any(map(is_summary, after))
    assert after[:-1].count(QUESTION) > before.count(QUESTION) - 1
