"""Who is in a conversation, and what it is called."""

import json
from typing import Any

import pytest

from chat import people
from chat.access import Forbidden, NotFound
from streaming.errors import Refused
from tests.integration.chat.factories import make_conversation, make_person, send

pytestmark = pytest.mark.django_db


def frame_of(after: Any) -> dict[str, Any]:
    """The one frame that tells those who watch of a change."""
    (frame,) = (frame for group, frame in after.broadcasts if group.startswith("conversation."))
    return json.loads(frame)  # type: ignore[no-any-return]


def test_an_owner_lets_people_in_and_takes_them_out() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann)
    with pytest.raises(NotFound):
        send(bob, conversation)
    frame = frame_of(people.add_participant(ann, conversation.pk, bob.username).after)
    assert [person["id"] for person in frame["participants"]] == [ann.pk, bob.pk]
    assert send(bob, conversation).generation
    frame = frame_of(people.remove_participant(ann, conversation.pk, bob.pk).after)
    assert [person["id"] for person in frame["participants"]] == [ann.pk]
    with pytest.raises(NotFound):
        send(bob, conversation)


def test_members_may_leave_but_take_nobody_out() -> None:
    ann, bob, eve = make_person(), make_person(), make_person()
    conversation = make_conversation(ann, members=[bob], viewers=[eve])
    with pytest.raises(Forbidden):
        people.remove_participant(bob, conversation.pk, eve.pk)
    with pytest.raises(Forbidden):
        people.add_participant(bob, conversation.pk, "somebody")
    people.remove_participant(eve, conversation.pk, eve.pk)


def test_a_conversation_keeps_an_owner() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    with pytest.raises(Forbidden):
        people.remove_participant(ann, conversation.pk, ann.pk)
    with pytest.raises(Forbidden):
        people.add_participant(ann, conversation.pk, ann.username, "viewer")
    people.add_participant(ann, conversation.pk, bob.username, "owner")
    people.remove_participant(ann, conversation.pk, ann.pk)


def test_a_removed_person_is_not_asked_for_by_unknown_names() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    with pytest.raises(Refused) as refused:
        people.add_participant(ann, conversation.pk, "nobody")
    assert refused.value.code == "unknown_person"
    with pytest.raises(NotFound):
        people.remove_participant(ann, conversation.pk, 123_456)


def test_renaming_tells_everybody() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    assert frame_of(people.rename(ann, conversation.pk, "  A  new\nname "))["title"] == "A new name"
    with pytest.raises(Refused):
        people.rename(ann, conversation.pk, "x" * 121)
    with pytest.raises(Refused):
        people.rename(ann, conversation.pk, "a\0b")
