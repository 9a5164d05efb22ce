"""Links for joining: whom they let in, and that nothing can be learned from one that does not work."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat import deletion, invites, people
from chat.access import Forbidden, NotFound
from chat.invites import InviteGone, find_invite
from chat.models import Conversation, Invite, Participant
from chat.people import Door
from streaming.errors import Refused
from tests.integration.chat.factories import make_conversation, make_person

pytestmark = pytest.mark.django_db


def make(role: str = "member") -> tuple[Any, Conversation, str]:
    ann = make_person()
    conversation = make_conversation(ann)
    return ann, conversation, link(ann, conversation, role)


def link(ann: Any, conversation: Conversation, role: str = "member") -> str:
    invites.make_link(ann, conversation.pk, role)
    made = invites.link_of(conversation)
    assert made is not None
    return made.token


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_whoever_has_the_link_may_join_in_its_role(role: str) -> None:
    ann, conversation, token = make(role)
    bob = make_person()
    invite = find_invite(token)
    assert (invite.conversation, invite.created_by) == (conversation, ann)
    assert invites.join(bob, token)[0] == conversation.pk
    assert Participant.objects.get(user=bob).role == role
    assert invites.join(bob, token)[1].broadcasts == []  # again: nothing happens
    invites.join(ann, token)
    assert Participant.objects.get(user=ann).role == "owner"


def test_links_that_do_not_work_all_look_the_same() -> None:
    ann, conversation, token = make()
    bob = make_person()

    def refused(token: str) -> None:
        with pytest.raises(InviteGone) as gone:
            invites.join(bob, token)
        assert (gone.value.code, gone.value.message) == (InviteGone.code, InviteGone.message)

    for wrong in (
        "",
        "x",
        token[:-1],
        token + "x",
        token.replace(".", ".."),
        f"{'0' * 32}.{token.split('.')[1]}",
        "é" * 9,
    ):
        refused(wrong)
    fresh = link(ann, conversation)  # a reset
    refused(token)
    Invite.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    refused(fresh)
    assert invites.link_of(conversation) is None
    withdrawn = link(ann, conversation)
    invites.withdraw_link(ann, conversation.pk)
    refused(withdrawn)
    last = link(ann, conversation)
    deletion.delete_conversation(ann, conversation.pk)
    refused(last)
    assert not Participant.objects.filter(user=bob).exists()


def test_whoever_is_removed_does_not_come_back_by_the_link_they_knew() -> None:
    ann, conversation, token = make("viewer")
    bob = make_person()
    invites.join(bob, token)
    before = Invite.objects.get()
    removed = people.remove_participant(ann, conversation.pk, bob.pk)
    assert removed.link == Door.RESET
    with pytest.raises(InviteGone):
        invites.join(bob, token)
    after = Invite.objects.get()
    assert (after.role, after.expires_at) == (before.role, before.expires_at)
    fresh = invites.link_of(conversation)
    assert fresh is not None
    assert invites.join(make_person(), fresh.token)[0] == conversation.pk


def test_the_link_stays_where_an_owner_says_so_and_where_somebody_leaves() -> None:
    ann, conversation, token = make()
    bob, eve = make_person(), make_person()
    for person in (bob, eve):
        invites.join(person, token)
    assert people.remove_participant(ann, conversation.pk, bob.pk, keep_link=True).link == Door.OPEN
    assert people.remove_participant(eve, conversation.pk, eve.pk).link == Door.NONE
    for person in (bob, eve):
        assert invites.join(person, token)[0] == conversation.pk
    Invite.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    for keep_link in (True, False):
        assert people.remove_participant(ann, conversation.pk, bob.pk, keep_link=keep_link).link == Door.NONE
        people.add_participant(ann, conversation.pk, bob.username)


def test_an_invitation_that_was_reset_comes_from_whoever_reset_it() -> None:
    ann, conversation, _ = make()
    bob = make_person()
    people.add_participant(ann, conversation.pk, bob.username, "owner")
    people.remove_participant(bob, conversation.pk, ann.pk)
    assert Invite.objects.get().created_by == bob


def test_only_owners_make_and_withdraw_links() -> None:
    ann, bob, eve = make_person(), make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    for somebody, error in ((bob, Forbidden), (eve, NotFound)):
        with pytest.raises(error):
            invites.make_link(somebody, conversation.pk)
        with pytest.raises(error):
            invites.withdraw_link(somebody, conversation.pk)


@pytest.mark.parametrize(("role", "days"), [("owner", 7), ("king", 7), ("member", 0), ("member", 10_000)])
def test_an_invitation_makes_no_owners_and_ends(role: str, days: int) -> None:
    ann, conversation, _ = make()
    with pytest.raises(Refused):
        invites.make_link(ann, conversation.pk, role, days)


def test_a_full_conversation_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, token = make()
    monkeypatch.setattr(people, "PARTICIPANTS_MAX", 1)
    with pytest.raises(Refused) as full:
        invites.join(make_person(), token)
    assert full.value.code == "too_many"


def test_the_row_alone_does_not_make_a_link(settings: Any) -> None:
    _, _, token = make()
    settings.SECRET_KEY = "another site's"
    with pytest.raises(InviteGone):
        find_invite(token)
