"""The list of conversations: what it shows, and that its events always add up to a fresh fetch."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from chat import conversation_list, deletion, invites, people, versions
from chat.conversation_list import list_heads, whole_list
from chat.models import Conversation
from streaming.hooks import AfterEnd
from tests.integration.chat.factories import end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db


class Watcher:
    """Somebody's list as a page keeps it: a snapshot, then folded frames."""

    def __init__(self, person: Any) -> None:
        self.person = person
        first = whole_list(person)
        self.entries = {entry["conversation"]: entry for entry in first.entries}

    def fold(self, after: AfterEnd) -> Any:
        for group, text in after.broadcasts:
            if group == f"person.{self.person.pk}":
                frame = json.loads(text)
                assert frame["type"] == "list.changed"
                self.entries |= {entry["conversation"]: entry for entry in frame["entries"]}
                for gone in frame["removed"]:
                    self.entries.pop(gone, None)

    @property
    def head(self) -> dict[str, int]:
        total = sum(entry["revision"] + entry["read_revision"] for entry in self.entries.values())
        return {"count": len(self.entries), "total": total}

    def check(self) -> None:
        """Snapshot plus events equals a fresh fetch."""
        fresh = whole_list(self.person)
        by_change = sorted(self.entries.values(), key=lambda entry: entry["changed_at"], reverse=True)
        assert sorted(by_change, key=str) == sorted(fresh.entries, key=str)
        assert self.head == fresh.list_head == list_heads([self.person.pk])[self.person.pk]


def test_it_shows_ones_own_conversations_last_changed_first() -> None:
    ann, bob = make_person(), make_person()
    old, new = make_conversation(ann), make_conversation(bob, viewers=[ann])
    make_conversation(bob)
    listed = whole_list(ann).entries
    assert [(entry["conversation"], entry["role"], entry["people"]) for entry in listed] == [
        (str(new.pk), "viewer", 2),
        (str(old.pk), "owner", 1),
    ]
    send(ann, old)
    assert [entry["conversation"] for entry in whole_list(ann).entries] == [str(old.pk), str(new.pk)]
    ann.is_active = False
    ann.save()
    assert whole_list(ann).entries == []


def test_snapshot_and_events_are_a_fresh_fetch_for_everybody_after_every_change() -> None:
    ann, bob, eve = make_person(), make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    watchers = [Watcher(person) for person in (ann, bob, eve)]

    def tell(after: AfterEnd) -> None:
        for watcher in watchers:
            watcher.fold(after)
            watcher.check()

    sent = send(ann, conversation)
    tell(sent.after)
    tell(people.add_participant(ann, conversation.pk, eve.username, "viewer").after)
    waiting = send(bob, conversation)
    tell(waiting.after)
    tell(versions.edit_message(bob, waiting.message, "Changed").after)
    tell(versions.cancel_message(bob, waiting.message))
    ended = end(sent.generation)
    tell(ended.after)
    conversation.refresh_from_db()
    tell(people.mark_read(bob, conversation.pk, conversation.revision))
    again = versions.regenerate(bob, UUID(ended.event.generation))
    tell(again.after)
    tell(end(again.generation).after)
    tell(versions.switch_version(bob, conversation.messages.filter(shown=False, state="sent").get().pk))
    tell(people.rename(bob, conversation.pk, "Rivers"))
    tell(people.add_participant(ann, conversation.pk, eve.username, "member").after)
    tell(people.remove_participant(eve, conversation.pk, eve.pk).after)
    tell(people.add_participant(ann, conversation.pk, eve.username, "owner").after)
    tell(people.remove_participant(ann, conversation.pk, bob.pk).after)
    tell(people.set_reply_policy(ann, conversation.pk, "off"))
    tell(people.change_role(ann, conversation.pk, eve.pk, "viewer"))
    tell(deletion.delete_conversation(ann, conversation.pk).after)
    assert watchers[0].entries == {}
    tell(deletion.restore_conversation(ann, conversation.pk))
    token = invites.link_of(Conversation.objects.get(pk=invites.make_link(ann, conversation.pk)))
    assert token is not None
    tell(invites.join(bob, token.token)[1])
    tell(people.remove_participant(bob, conversation.pk, bob.pk).after)
    assert watchers[0].entries != {}
    assert watchers[1].entries == {}


def entry_of(person: Any) -> dict[str, Any]:
    (entry,) = whole_list(person).entries
    return dict(entry)


def test_what_others_wrote_is_unread_until_it_was_seen() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    assert not entry_of(bob)["unread"]
    sent = send(ann, conversation)
    assert (entry_of(ann)["unread"], entry_of(bob)["unread"]) == (False, True)
    assert (entry_of(ann)["answering"], entry_of(bob)["answering"]) == (True, True)
    end(sent.generation)
    conversation.refresh_from_db()
    assert (entry_of(ann)["unread"], entry_of(bob)["unread"]) == (True, True)  # the answer is news to both
    assert not entry_of(ann)["answering"]
    people.mark_read(bob, conversation.pk, conversation.revision)
    assert (entry_of(ann)["unread"], entry_of(bob)["unread"]) == (True, False)
    people.rename(ann, conversation.pk, "Seas")
    assert not entry_of(bob)["unread"]  # a new title is nothing to read


def test_what_was_read_never_becomes_less_nor_more_than_there_is() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    send(bob, conversation)
    conversation.refresh_from_db()
    people.mark_read(ann, conversation.pk, 10**15)
    assert entry_of(ann)["read_revision"] == conversation.revision
    assert people.mark_read(ann, conversation.pk, 1) == AfterEnd()
    assert entry_of(ann)["read_revision"] == conversation.revision
    send(bob, conversation)
    assert entry_of(ann)["unread"]


def test_the_head_of_a_long_list_counts_what_the_list_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = make_person()
    for _ in range(3):
        make_conversation(ann)
    listed = whole_list(ann, limit=2)
    assert len(listed.entries) == 2
    assert listed.list_head == {"count": 3, "total": 3}


def test_a_list_costs_the_same_few_queries_however_long_it_is(django_assert_num_queries: Any) -> None:
    ann = make_person()
    for _ in range(5):
        make_conversation(ann)
    with django_assert_num_queries(4):
        assert len(conversation_list.whole_list(ann).entries) == 5
