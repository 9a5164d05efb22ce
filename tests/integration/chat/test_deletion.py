"""Deleting a conversation: at once for everybody, taken back for a while, and then for good."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat import access, changes, deletion, people, selectors
from chat.access import Forbidden, NotFound, access_conversation
from chat.conversation_list import whole_list
from chat.models import Conversation, Errand, Invite, Message
from streaming import lifecycle
from streaming.events import Position
from streaming.lifecycle import Outcome
from streaming.models import Generation
from streaming.states import Status
from tests.integration.chat.factories import end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db


def test_what_is_deleted_looks_like_what_never_was() -> None:
    ann, bob = make_person(first_name="Ann"), make_person()
    conversation = make_conversation(ann, members=[bob])
    sent = send(bob, conversation)
    deleted = deletion.delete_conversation(ann, conversation.pk)
    assert deleted.title == "Talk"
    frames = {group: json.loads(frame) for group, frame in deleted.after.broadcasts}
    told = frames.pop(f"conversation.{conversation.pk}")
    assert (told["type"], told["user"]["name"]) == ("conversation.deleted", "Ann")
    assert {group: frame["removed"] for group, frame in frames.items()} == {
        f"person.{ann.pk}": [str(conversation.pk)],
        f"person.{bob.pk}": [str(conversation.pk)],
    }
    for somebody in (ann, bob):
        assert whole_list(somebody).entries == []
        for gate, id in (
            (access_conversation, conversation.pk),
            (access.access_generation, sent.generation),
            (access.access_stream, sent.generation),
            (access.access_message, sent.message),
        ):
            with pytest.raises(NotFound):
                gate(somebody, id)  # type: ignore[operator]
        with pytest.raises(NotFound):
            send(somebody, conversation)
        with pytest.raises(NotFound):
            deletion.delete_conversation(somebody, conversation.pk)


def test_only_an_owner_deletes_and_takes_back() -> None:
    ann, bob, eve = make_person(), make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    for somebody, error in ((bob, Forbidden), (eve, NotFound)):
        with pytest.raises(error):
            deletion.delete_conversation(somebody, conversation.pk)
    with pytest.raises(NotFound):
        deletion.restore_conversation(ann, conversation.pk)  # it is there
    deletion.delete_conversation(ann, conversation.pk)
    for somebody in (bob, eve):
        with pytest.raises(NotFound):
            deletion.restore_conversation(somebody, conversation.pk)
    deletion.restore_conversation(ann, conversation.pk)
    assert access_conversation(bob, conversation.pk) == conversation


def test_a_running_answer_is_fenced_in_the_same_transaction_and_what_waits_is_never_asked() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    running = send(ann, conversation)
    waiting = send(ann, conversation, "And then?")
    assert running.generation is not None
    claim = lifecycle.claim(running.generation, "a worker")
    assert claim is not None
    deleted = deletion.delete_conversation(ann, conversation.pk)
    assert deleted.stopping == [running.generation]
    assert lifecycle.stops_requested([running.generation]) == {running.generation}
    outcome = Outcome(status=Status.STOPPED, text="so far", position=Position(claim.attempt, 3))
    ended = lifecycle.finish(running.generation, claim.attempt, outcome)
    assert ended is not None
    assert (ended.after.broadcasts, ended.after.start) == ([], [])
    assert Message.objects.get(pk=waiting.message).state == Message.State.DROPPED
    deletion.restore_conversation(ann, conversation.pk)
    assert len(selectors.message_page(conversation.pk).messages) == 2


def test_a_queued_answer_of_a_deleted_conversation_asks_nobody() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    sent = send(ann, conversation)
    deletion.delete_conversation(ann, conversation.pk)
    claim = lifecycle.claim(str(sent.generation), "a worker")
    assert claim is None or claim.stop_requested


def test_a_question_that_came_at_the_same_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rights were checked before the deletion was committed."""
    ann = make_person()
    conversation = make_conversation(ann)
    deletion.delete_conversation(ann, conversation.pk)
    monkeypatch.setattr(changes, "check_role", lambda *_, **__: None)
    with pytest.raises(NotFound):
        send(ann, conversation)


def age(conversation: Conversation, by: timedelta) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(deleted_at=timezone.now() - by)


def test_after_a_while_its_rows_and_texts_are_gone_and_the_ledger_is_not() -> None:
    ann = make_person()
    kept, conversation = make_conversation(ann), make_conversation(ann)
    sent = send(ann, conversation, "A secret?")
    end(sent.generation, "A secret.")
    Generation.objects.filter(pk=sent.generation).update(blocks="<p>A secret.</p>")
    end(send(ann, kept).generation, "Kept.")
    errand = Generation.objects.exclude(pk=sent.generation).first()
    assert errand is not None
    deletion.delete_conversation(ann, conversation.pk)
    age(conversation, timedelta(minutes=5))
    assert deletion.purge() == 0
    age(conversation, timedelta(hours=2))
    assert deletion.purge() == 1
    assert [*Conversation.objects.all()] == [kept]
    assert not Message.objects.filter(text__contains="secret").exists()
    row = Generation.objects.get(pk=sent.generation)
    assert (row.text, row.blocks, row.sha256, row.status, row.user) == ("", "", "", "completed", ann)
    assert row.attempts.count() == 1
    assert selectors.message_page(kept.pk).messages[1]["text"] == "Kept."
    with pytest.raises(NotFound):
        deletion.restore_conversation(ann, conversation.pk)


def test_errands_and_invites_go_too_and_what_still_runs_waits() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    sent = send(ann, conversation)
    Invite.objects.create(conversation=conversation, expires_at=timezone.now())
    Errand.objects.create(generation_id=sent.generation, conversation=conversation, kind="title")
    deletion.delete_conversation(ann, conversation.pk)
    age(conversation, timedelta(hours=2))
    assert deletion.purge() == 0
    Generation.objects.update(status=Status.STOPPED, text="so far")
    assert deletion.purge() == 1
    assert not Errand.objects.exists()
    assert not Invite.objects.exists()
    assert Generation.objects.get().text == ""


def test_the_last_owner_may_delete_but_not_leave() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    with pytest.raises(Forbidden, match="at least one owner"):
        people.remove_participant(ann, conversation.pk, ann.pk)
    deleted: Any = deletion.delete_conversation(ann, conversation.pk)
    assert deleted.stopping == []
