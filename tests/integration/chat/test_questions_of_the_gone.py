"""What somebody asked who then left or was removed: nothing more is asked of a provider for them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from chat import people
from chat.models import Conversation, Message
from streaming import lifecycle
from streaming.events import Position
from streaming.lifecycle import Outcome
from streaming.models import Generation
from streaming.states import Status
from tests.integration.chat.factories import answer_of, end, make_conversation, make_person, send
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene() -> tuple[Any, Any, Conversation]:
    ann, bob = make_person(), make_person()
    return ann, bob, make_conversation(ann, members=[bob])


def remove(ann: Any, bob: Any, conversation: Conversation) -> None:
    """As the page does it, with all that follows the commit."""
    client = Client()
    client.force_login(ann)
    path = f"/conversations/{conversation.pk}/people/{bob.pk}/remove/"
    assert client.post(path, headers={"Accept": "application/json"}).status_code == 200


def row_of(sent: Any) -> Generation:
    return Generation.objects.get(pk=sent.generation)


def test_questions_behind_an_answer_go_with_their_author(scene: Any) -> None:
    ann, bob, conversation = scene
    first, mine, other = send(ann, conversation), send(bob, conversation, "Waits"), send(ann, conversation, "Next")
    removed = people.remove_participant(ann, conversation.pk, bob.pk)
    dropped = Message.objects.get(pk=mine.message)
    assert (dropped.state, dropped.text, dropped.shown) == (Message.State.DROPPED, "", False)
    (frame,) = (frame for group, frame in removed.after.broadcasts if group.startswith("conversation."))
    assert f'"removed":[{mine.message}]' in frame
    end(first.generation)
    assert answer_of(other).generation is not None
    assert not Generation.objects.filter(user=bob).exists()


def test_an_answer_that_waits_for_its_model_ends_and_says_why(scene: Any, valkey: Valkey) -> None:
    ann, bob, conversation = scene
    mine, other = send(bob, conversation), send(ann, conversation, "Next")
    remove(ann, bob, conversation)
    row = row_of(mine)
    assert (row.status, row.error_code, row.attempt) == (Status.STOPPED, "author_left", 0)
    assert "left the conversation" in row.error_message
    assert Message.objects.get(pk=mine.message).shown
    assert answer_of(other).generation is not None
    assert answer_of(other).generation.status == Status.QUEUED  # type: ignore[union-attr]


def test_a_worker_that_takes_it_right_after_the_commit_asks_nobody(scene: Any) -> None:
    ann, bob, conversation = scene
    mine = send(bob, conversation)
    removed = people.remove_participant(ann, conversation.pk, bob.pk)
    assert removed.stopping == [mine.generation]
    claim = lifecycle.claim(str(mine.generation), "worker")
    assert claim is not None
    assert claim.stop_requested
    ended = lifecycle.finish(str(mine.generation), 1, Outcome(Status.STOPPED, "", Position(1, 1), "stopped"))
    assert ended is not None
    assert ended.event.code == "author_left"


def test_leaving_does_the_same(scene: Any) -> None:
    _, bob, conversation = scene
    mine = send(bob, conversation)
    assert people.remove_participant(bob, conversation.pk, bob.pk).stopping == [mine.generation]


def test_what_is_being_written_goes_on(scene: Any) -> None:
    ann, bob, conversation = scene
    mine = send(bob, conversation)
    assert lifecycle.claim(str(mine.generation), "worker") is not None
    assert people.remove_participant(ann, conversation.pk, bob.pk).stopping == []
    row = row_of(mine)
    assert (row.stop_requested_at, row.error_code) == (None, "")
    assert lifecycle.finish(str(mine.generation), 1, Outcome(Status.COMPLETED, "All.", Position(1, 3))) is not None


def test_a_wish_that_came_too_late_leaves_no_words_on_a_whole_answer(scene: Any) -> None:
    ann, bob, conversation = scene
    mine = send(bob, conversation)
    people.remove_participant(ann, conversation.pk, bob.pk)
    end(mine.generation, "It was there already.")
    row = row_of(mine)
    assert (row.status, row.error_code, row.error_message) == (Status.COMPLETED, "", "")


def test_text_that_others_have_seen_and_questions_of_others_are_left_alone(scene: Any) -> None:
    ann, bob, conversation = scene
    mine, other = send(bob, conversation), send(ann, conversation, "Next")
    Generation.objects.filter(pk=UUID(str(mine.generation))).update(text="Some of it", attempt=1)  # it waits to go on
    assert people.remove_participant(ann, conversation.pk, bob.pk).stopping == []
    assert Message.objects.get(pk=other.message).state == Message.State.PENDING
