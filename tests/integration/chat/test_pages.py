"""The pages over HTTP: who sees what, what forms refuse, and the headers that keep browsers strict."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from chat import people
from chat.models import Conversation, Message, Participant
from tests.integration.chat.factories import answer_of, end, make_conversation, make_person, send
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)


def logged_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def ann() -> Any:
    return make_person("ann")


@pytest.fixture
def bob() -> Any:
    return make_person("bob")


@pytest.fixture
def conversation(ann: Any) -> Conversation:
    return people.create_conversation(ann, "Rivers")


def address(conversation: Conversation, rest: str = "") -> str:
    return f"/conversations/{conversation.pk}/{rest}"


@pytest.mark.parametrize("path", ["/", f"/conversations/{uuid4()}/", f"/conversations/{uuid4()}/messages/"])
def test_strangers_are_asked_to_log_in(path: str) -> None:
    response = Client().get(path)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=")


def test_a_page_is_never_cached_and_allows_nothing_from_elsewhere(ann: Any, conversation: Conversation) -> None:
    response = logged_in(ann).get(address(conversation))
    assert "no-store" in response["Cache-Control"]
    policy = response["Content-Security-Policy"]
    nonce = re.search(r"'nonce-([^']+)'", policy)
    assert nonce is not None
    assert "unsafe" not in policy
    scripts = re.findall(r"<script\b([^>]*)>", response.content.decode())
    executable = [attributes for attributes in scripts if "application/json" not in attributes]
    assert len(executable) == 2
    assert all(f'nonce="{nonce[1]}"' in attributes for attributes in executable)


def test_unknown_and_not_yours_look_the_same(bob: Any, conversation: Conversation) -> None:
    client = logged_in(bob)
    answers = [client.get(path) for path in (address(conversation), f"/conversations/{uuid4()}/")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content


def test_text_is_shown_as_text(ann: Any, conversation: Conversation) -> None:
    nasty = "</script><script>alert(1)</script>\n  & <b>bold</b>\n"
    Message.objects.create(conversation=conversation, author=ann, role="user", text=nasty)
    page = logged_in(ann).get(address(conversation)).content.decode()
    assert "<script>alert" not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;\n  &amp; &lt;b&gt;bold&lt;/b&gt;\n</div>" in page


def test_the_state_for_the_modules_is_the_page_without_its_texts(ann: Any, conversation: Conversation) -> None:
    Message.objects.create(conversation=conversation, author=ann, role="user", text="once only")
    page = logged_in(ann).get(address(conversation)).content.decode()
    found = re.search(r'<script id="initial-state" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    state = json.loads(found[1])
    assert state["conversation"] == str(conversation.pk)
    assert [message["text"] for message in state["messages"]] == [None]
    assert page.count("once only") == 1


def test_older_messages_are_pages_of_their_own(ann: Any, conversation: Conversation) -> None:
    for number in range(120):
        Message.objects.create(conversation=conversation, author=ann, role="user", text=f"message {number}!")
    client = logged_in(ann)
    page = client.get(address(conversation)).content.decode()
    assert "message 119!" in page
    assert "message 19!" not in page
    older = re.search(r'href="\?before=(\d+)"', page)
    assert older is not None
    past = client.get(address(conversation, f"?before={older[1]}")).content.decode()
    assert "message 19!" in past
    assert "message 20!" not in past
    data = client.get(address(conversation, f"messages/?before={older[1]}")).json()
    assert [message["text"] for message in data["messages"]][-1] == "message 19!"
    assert data["older"] is False


@pytest.mark.parametrize("before", ["x", "-1", "1.5", "9" * 30, "١٢"])
def test_a_place_that_is_none_is_not_found(ann: Any, conversation: Conversation, before: str) -> None:
    assert logged_in(ann).get(address(conversation, f"?before={before}")).status_code == 404


def test_a_new_conversation_belongs_to_whoever_made_it(ann: Any) -> None:
    response = logged_in(ann).post("/conversations/new/")
    made = Conversation.objects.get()
    assert response["Location"] == f"/conversations/{made.pk}/"
    assert Participant.objects.get().role == "owner"


def test_somebody_is_added_and_everybody_is_told(
    ann: Any, bob: Any, conversation: Conversation, valkey: Valkey
) -> None:
    response = logged_in(ann).post(address(conversation, "people/"), {"username": "bob", "role": "viewer"})
    assert response.status_code == 302
    page = logged_in(bob).get(address(conversation)).content.decode()
    assert "You may read along here" in page
    assert 'id="composer-text"' not in page


def test_a_refusal_is_a_sentence_on_the_next_page(ann: Any, conversation: Conversation) -> None:
    client = logged_in(ann)
    for form, sentence in (({"username": "nobody", "role": "member"}, "nobody of this name"), ({}, "name of somebody")):
        page = client.post(address(conversation, "people/"), form, follow=True).content.decode()
        assert sentence in page
    page = client.post(address(conversation, "rename/"), {"title": "x" * 121}, follow=True).content.decode()
    assert "at most 120 characters" in page
    page = client.post(address(conversation, f"people/{ann.pk}/remove/"), follow=True).content.decode()
    assert "keeps at least one owner" in page


def test_a_conversation_is_renamed(ann: Any, conversation: Conversation, valkey: Valkey) -> None:
    page = logged_in(ann).post(address(conversation, "rename/"), {"title": "Seas"}, follow=True).content.decode()
    assert '<h1 class="topbar-title" id="title" dir="auto">Seas</h1>' in page


def test_leaving_leads_home(ann: Any, bob: Any, conversation: Conversation, valkey: Valkey) -> None:
    people.add_participant(ann, conversation.pk, "bob")
    response = logged_in(bob).post(address(conversation, f"people/{bob.pk}/remove/"))
    assert response["Location"] == "/"
    assert logged_in(bob).get(address(conversation)).status_code == 404


def test_members_add_nobody(ann: Any, bob: Any, conversation: Conversation) -> None:
    people.add_participant(ann, conversation.pk, "bob")
    make_person("carl")
    form = {"username": "carl", "role": "member"}
    page = logged_in(bob).post(address(conversation, "people/"), form, follow=True).content.decode()
    assert "Only an owner of this conversation can do this." in page
    assert not Participant.objects.filter(user__username="carl").exists()


@pytest.mark.parametrize("path", ["new/", "{id}/rename/", "{id}/people/", "{id}/people/1/remove/"])
def test_changes_need_a_post_with_a_token(ann: Any, conversation: Conversation, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann)
    target = f"/conversations/{path.format(id=conversation.pk)}"
    assert client.get(target).status_code == 405
    response = client.post(target)
    assert response.status_code == 403
    assert "Please try again" in response.content.decode()


def test_nobody_signs_up_by_themselves(client: Client) -> None:
    form = {"username": "carl", "password1": "long-enough-1", "password2": "long-enough-1"}
    assert "Sign-up is closed" in client.post("/accounts/signup/", form).content.decode()
    assert not get_user_model().objects.filter(username="carl").exists()


def test_the_source_of_a_message_is_for_those_who_may_read_it() -> None:
    ann, eve = make_person(), make_person()
    conversation, other = make_conversation(ann), make_conversation(ann)
    sent = send(ann, conversation, "**Why?**")
    end(sent.generation, "*Because.*")
    client = Client()
    address = f"/conversations/{conversation.pk}/messages/{answer_of(sent).pk}/"
    assert client.get(address).status_code == 302
    client.force_login(ann)
    assert client.get(address).json() == {"text": "*Because.*"}
    assert client.get(f"/conversations/{conversation.pk}/messages/{sent.message}/").json() == {"text": "**Why?**"}
    assert client.get(f"/conversations/{other.pk}/messages/{sent.message}/").status_code == 404
    assert client.get(f"/conversations/{conversation.pk}/messages/{10**30}/").status_code == 404
    client.force_login(eve)
    assert client.get(address).status_code == 404


def test_a_conversation_without_a_name_is_called_so_in_the_readers_language(ann: Any) -> None:
    unnamed, named = people.create_conversation(ann), people.create_conversation(ann, "Stop")
    page = logged_in(ann).get(address(unnamed), headers={"accept-language": "de"}).text
    assert '<h1 class="topbar-title" id="title" dir="auto">Neue Unterhaltung</h1>' in page
    assert page.count('class="entry-title" dir="auto">Neue Unterhaltung<') == 1
    assert '<span class="entry-title" dir="auto">Stop<' in page, "a name stays as it was written"
    assert str(named) == "Stop"
