"""People, conversations and ends of answers for the tests of `chat`."""

from __future__ import annotations

import itertools
from typing import Any

from django.contrib.auth import get_user_model

from chat import people, services
from chat.models import Conversation, Message, Participant
from streaming import lifecycle
from streaming.errors import StreamingError
from streaming.events import Position
from streaming.lifecycle import End, Outcome
from streaming.states import Status

_numbers = itertools.count(1)


def make_person(username: str = "", **fields: Any) -> Any:
    username = username or f"person{next(_numbers)}"
    return get_user_model().objects.create_user(username=username, password="secret", **fields)


def make_conversation(
    owner: Any, *, members: list[Any] | None = None, viewers: list[Any] | None = None
) -> Conversation:
    conversation = people.create_conversation(owner, "Talk")
    for role, those in ((Participant.Role.MEMBER, members), (Participant.Role.VIEWER, viewers)):
        for person in those or []:
            people.add_participant(owner, conversation.pk, person.username, role)
    conversation.refresh_from_db()
    return conversation


def send(user: Any, conversation: Conversation, text: str = "Hello", **fields: Any) -> services.Sent:
    fields.setdefault("client_message_id", f"c{next(_numbers)}")
    return services.send_message(user, conversation.pk, text=text, **fields)


def end(
    generation_id: str | None, text: str = "An answer.", status: Status = Status.COMPLETED, reason: str = ""
) -> End:
    """Take a waiting generation through a worker's moves to its end."""
    assert generation_id is not None
    claim = lifecycle.claim(generation_id, "test-worker")
    assert claim is not None
    position = Position(claim.attempt, 3)
    outcome = Outcome(status=status, text=text, position=position, reason=reason, error=_error(status))
    ended = lifecycle.finish(generation_id, claim.attempt, outcome)
    assert ended is not None
    return ended


def _error(status: Status) -> StreamingError | None:
    return StreamingError("It went wrong.", code="broken", retryable=True) if status == Status.FAILED else None


def answer_of(sent: services.Sent) -> Message:
    return Message.objects.filter(parent_id=sent.message).latest("pk")
