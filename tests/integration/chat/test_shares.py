"""Links for reading: what they show, to whom, until when; and what they never show."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat import deletion, invites, shares, versions
from chat.access import Forbidden, NotFound
from chat.models import Conversation, Message, Share, SharedMessage
from chat.shares import ShareGone, find_share
from streaming.errors import Refused
from streaming.models import Generation
from streaming.states import Status
from tests.integration.chat.factories import end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db


def talk() -> tuple[Any, Any, Conversation]:
    ann, bob = make_person("ann", first_name="Ann"), make_person("bob", first_name="Bob")
    conversation = make_conversation(ann, members=[bob])
    end(send(ann, conversation, "What is a hub?").generation, "A *wheel's* middle.")
    end(send(bob, conversation, "And a spoke?").generation, "A rod.")
    return ann, bob, conversation


def token_of(conversation: Conversation) -> str:
    link = shares.link_of(conversation)
    assert link is not None
    return link.token


def shown(token: str) -> list[tuple[int, str, str]]:
    return [(row.person, row.writer, row.text) for row in find_share(token).messages.all()]


def test_a_share_is_what_was_shown_and_stays_it() -> None:
    ann, _, conversation = talk()
    model = Generation.objects.first().model  # type: ignore[union-attr]
    shares.take(ann, conversation.pk)
    token = token_of(conversation)
    before = [
        (1, "", "What is a hub?"),
        (0, model, "A *wheel's* middle."),
        (2, "", "And a spoke?"),
        (0, model, "A rod."),
    ]
    assert shown(token) == before
    end(send(ann, conversation, "More").generation, "No.")
    assert shown(token) == before
    shares.take(ann, conversation.pk, with_names=True)
    assert token_of(conversation) == token  # who has it sees what was taken last
    assert [row[:2] for row in shown(token)] == [(1, "Ann"), (0, model), (2, "Bob"), (0, model), (1, "Ann"), (0, model)]


def test_what_runs_waits_or_is_hidden_is_not_in_it() -> None:
    ann, _, conversation = talk()
    first = Message.objects.filter(role="user").earliest("pk")
    edited = versions.edit_message(ann, first.pk, "What is a rim?")
    end(edited.generation, "The outside.", Status.STOPPED)
    send(ann, conversation, "Runs")
    send(ann, conversation, "Waits")
    shares.take(ann, conversation.pk)
    assert [row[2] for row in shown(token_of(conversation))] == ["What is a rim?", "The outside.", "Runs"]


def test_blocks_come_along_and_what_nobody_rendered_is_rendered_once() -> None:
    ann, _, conversation = talk()
    shares.take(ann, conversation.pk)
    rows = list(find_share(token_of(conversation)).messages.all())
    answer = rows[1]
    SharedMessage.objects.filter(pk=answer.pk).update(blocks="")
    answer.refresh_from_db()
    htmls = [html for _, html in shares.htmls([rows[0], answer])]
    assert htmls[0] is None  # what people write is no Markdown
    assert "<em>wheel's</em>" in (htmls[1] or "")
    answer.refresh_from_db()
    assert answer.blocks


@pytest.mark.parametrize("who", ["member", "viewer", "stranger"])
def test_only_an_owner_shares_and_withdraws(who: str) -> None:
    ann, bob, conversation = talk()
    other = {"member": bob, "stranger": make_person("eve")}.get(who) or make_person("vic")
    if who == "viewer":
        conversation.participants.create(user=other, role="viewer")
    shares.take(ann, conversation.pk)
    for attempt in (shares.take, shares.withdraw):
        with pytest.raises(NotFound if who == "stranger" else Forbidden):
            attempt(other, conversation.pk)
    assert find_share(token_of(conversation)).created_by == ann


def test_links_that_do_not_work_all_look_the_same() -> None:
    ann, _, conversation = talk()

    def refused(token: str) -> None:
        with pytest.raises(ShareGone) as gone:
            find_share(token)
        assert (gone.value.code, gone.value.message) == (ShareGone.code, ShareGone.message)

    shares.take(ann, conversation.pk)
    token = token_of(conversation)
    share = Share.objects.get()
    for wrong in ("", "x", token[:-1], token + "x", share.key.hex, f"{share.key.hex}.{'a' * 43}", "\x00", "é"):
        refused(wrong)
    find_share(token)
    deletion.delete_conversation(ann, conversation.pk)
    refused(token)
    deletion.restore_conversation(ann, conversation.pk)
    find_share(token)
    ann.is_active = False
    ann.save()
    refused(token)
    ann.is_active = True
    ann.save()
    shares.withdraw(ann, conversation.pk)
    refused(token)
    assert not SharedMessage.objects.exists()
    shares.take(ann, conversation.pk)
    refused(token)


def test_a_link_ends_when_it_was_to_and_never_comes_back() -> None:
    ann, _, conversation = talk()
    shares.take(ann, conversation.pk, 7)
    token = token_of(conversation)
    left = (Share.objects.get().expires_at or timezone.now()) - timezone.now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    Share.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(ShareGone):
        find_share(token)
    assert shares.link_of(conversation) is None
    shares.take(ann, conversation.pk)
    assert token_of(conversation) != token
    with pytest.raises(ShareGone):
        find_share(token)


def test_nothing_and_odd_choices_are_refused() -> None:
    ann = make_person()
    empty = make_conversation(ann)
    for days, code in ((0, "nothing_to_share"), (8, "bad_field"), (-1, "bad_field")):
        with pytest.raises(Refused) as refused:
            shares.take(ann, empty.pk, days)
        assert refused.value.code == code
    assert not Share.objects.exists()


def test_an_invitation_is_no_share() -> None:
    ann, _, conversation = talk()
    shares.take(ann, conversation.pk)
    invites.make_link(ann, conversation.pk)
    link = invites.link_of(conversation)
    assert link is not None
    with pytest.raises(ShareGone):
        find_share(link.token)
    with pytest.raises(invites.InviteGone):
        invites.find_invite(token_of(conversation))
