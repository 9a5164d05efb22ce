"""A conversation as a file: whole, in order, and only for those who may read it."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from chat import selectors
from streaming.states import Status
from tests.integration.chat.factories import end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db


def _reader(person: object) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def talk():
    ann = make_person("ann")
    conversation = make_conversation(ann)
    for number in range(3):
        end(send(ann, conversation, f"Question {number}").generation, f"**Answer** {number}")
    return ann, conversation


def test_markdown_holds_every_message_as_it_was_written(talk) -> None:
    ann, conversation = talk
    response = _reader(ann).get(f"/conversations/{conversation.pk}/export.md")
    assert response["content-disposition"] == 'attachment; filename="talk.md"'
    lines = [line for line in response.content.decode().split("\n") if line and not line.startswith("##")]
    expected = [text for n in range(3) for text in (f"Question {n}", f"**Answer** {n}")]
    assert lines == ["# Talk", *expected]
    assert response.content.decode().count("## ann, 20") == 3


def test_a_long_conversation_is_exported_whole_and_in_order(talk, monkeypatch) -> None:
    monkeypatch.setattr(selectors.message_page, "__defaults__", (None, 2))
    ann, conversation = talk
    whole = json.loads(_reader(ann).get(f"/conversations/{conversation.pk}/export.json").content)
    assert (whole["format"], whole["version"], whole["title"]) == ("chatsite.conversation", 1, "Talk")
    told = [(message["role"], message["author"], message["text"]) for message in whole["messages"]]
    pairs = [(("user", "ann", f"Question {n}"), ("assistant", None, f"**Answer** {n}")) for n in range(3)]
    assert told == [message for pair in pairs for message in pair]
    assert whole["messages"][1]["parent"] == whole["messages"][0]["id"]


def test_an_answer_that_broke_off_says_so_and_swallows_nothing(talk) -> None:
    ann, conversation = talk
    end(send(ann, conversation, "Code").generation, "Here:\n\n```python\nx = (1", Status.STOPPED)
    end(send(ann, conversation, "Thanks").generation, "Bye")
    page = _reader(ann).get(f"/conversations/{conversation.pk}/export.md").content.decode()
    assert "\nx = (1\n```\n\n*Stopped.*\n\n## ann, " in page
    whole = json.loads(_reader(ann).get(f"/conversations/{conversation.pk}/export.json").content)
    assert [message["state"] for message in whole["messages"][-4:]] == ["sent", "stopped", "sent", "done"]


@pytest.mark.parametrize("kind", ["md", "json"])
def test_strangers_get_what_they_get_for_the_unknown(talk, kind: str) -> None:
    _, conversation = talk
    assert _reader(make_person("eve")).get(f"/conversations/{conversation.pk}/export.{kind}").status_code == 404


def test_an_unknown_kind_does_not_exist(talk) -> None:
    ann, conversation = talk
    assert _reader(ann).get(f"/conversations/{conversation.pk}/export.exe").status_code == 404


def test_the_page_leads_to_both_files(talk) -> None:
    ann, conversation = talk
    address = f"/conversations/{conversation.pk}/"
    page = _reader(ann).get(address).content.decode()
    for kind in ("md", "json"):
        assert f'href="{address}export.{kind}"' in page
        assert _reader(ann).get(f"{address}export.{kind}").status_code == 200
