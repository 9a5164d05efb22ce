"""Searching: what is found, that it is one's own, and that nothing that is typed does any harm. PostgreSQL does it its
own way: this file is run on both (`DATABASE_URL`)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from chat import deletion, excerpts, people, search
from chat.models import Message
from chat.search import Hit
from streaming.errors import Refused
from tests.integration.chat.factories import end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db


def said(hits: list[Hit]) -> list[str]:
    return ["".join(piece.text for piece in hit.excerpt) for hit in hits]


def test_titles_and_what_people_and_models_wrote_are_found() -> None:
    ann = make_person(first_name="Ann")
    conversation = make_conversation(ann)
    people.rename(ann, conversation.pk, "Rivers of Europe")
    sent = send(ann, conversation, "Where does the Danube end?")
    end(sent.generation, "The Danube, like other rivers, ends in the Black Sea.")
    (title, answer) = search.search(ann, "rivers")
    assert (title.message, title.conversation) == (None, conversation.pk)
    assert answer.by == "demo"
    assert answer.address == f"/conversations/{conversation.pk}/?at={answer.message}#message-{answer.message}"
    assert [piece.text for piece in answer.excerpt if piece.is_hit] == ["rivers"]
    assert [hit.by for hit in search.search(ann, "danube ends")] == ["demo"]
    assert [hit.by for hit in search.search(ann, "  DANU ")] == ["demo", "Ann"]
    assert search.search(ann, "rhine") == search.search(ann, "  ") == search.search(ann, "") == []


def test_only_ones_own_is_found() -> None:
    ann, bob, eve = make_person(), make_person(), make_person()
    shared, secret = make_conversation(ann, members=[bob]), make_conversation(bob)
    for conversation in (shared, secret):
        send(bob, conversation, "The treasure is buried")
    assert len(search.search(bob, "treasure")) == 2
    assert [hit.conversation for hit in search.search(ann, "treasure")] == [shared.pk]
    assert search.search(eve, "treasure") == []
    people.remove_participant(ann, shared.pk, bob.pk)
    assert [hit.conversation for hit in search.search(bob, "treasure")] == [secret.pk]
    deletion.delete_conversation(bob, secret.pk)
    assert search.search(bob, "treasure") == []


def test_what_is_not_shown_is_not_found() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    sent = send(ann, conversation, "treasure")
    Message.objects.filter(pk=sent.message).update(shown=False)
    assert search.search(ann, "treasure") == []


@pytest.mark.parametrize(
    "query",
    ["%", "_", "\\", "'", "''; DROP TABLE chat_message; --", "a & | ! ( ) : *", "<->", ":*", "\\'", '"', "((((", "[a",
     "*", "\u202e\u200b", "\ud7ff", "🎉", "@", "x" * 200, "a " * 90, "%%%%%%%%", "foo:bar", "-- /* */"],
)  # fmt: skip
def test_hostile_queries_find_what_they_say_or_nothing(query: str) -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    send(ann, conversation, "An ordinary message")
    assert all("ordinary" not in text or "a" in query for text in said(search.search(ann, query)))
    send(ann, conversation, f"before {query} after")
    assert search.search(ann, query) != [] or not query.strip()
    assert Message.objects.count() == 3


@pytest.mark.parametrize(
    "word", ["3.14159", "v1.2.3", "example.org", "ann@example.org", "src/main.py", "it's", "re-read"]
)
def test_words_with_points_and_slashes_are_found(word: str) -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    send(ann, conversation, f"Something about {word} was said")
    send(ann, conversation, "Something else was said")
    assert len(search.search(ann, word)) == 1
    assert len(search.search(ann, f"{word} said")) == 1


@pytest.mark.parametrize("query", ["x" * 201, "a\0b"])
def test_what_is_no_query_is_refused(query: str) -> None:
    with pytest.raises(Refused):
        search.search(make_person(), query)


def test_scripts_without_spaces_are_found_within_a_sentence() -> None:
    ann = make_person()
    send(ann, make_conversation(ann), "私は日本語の文字が好きです")
    assert said(search.search(ann, "日本語")) == ["私は日本語の文字が好きです"]


def test_an_excerpt_shows_the_place() -> None:
    ann = make_person()
    send(ann, make_conversation(ann), "x " * 500 + "the treasure\nis here" + " y" * 500)
    (text,) = said(search.search(ann, "treasure"))
    assert "the treasure is here" in text
    assert (text[0], text[-1]) == ("…", "…")
    assert len(text) <= excerpts.EXCERPT_CHARS + 2


def test_an_answer_is_quoted_without_its_signs_and_a_question_as_it_was_written() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    answer = """# The *treasure*

It is **not here**, says `dig.py`:

```python
print("gold")
```

| Where | [Map](https://example.org/atlas) |
|---|---|
| ~~sea~~ | land |
"""
    end(send(ann, conversation, "Is **treasure** bold?").generation, answer)
    shown = 'The treasure It is not here, says dig.py: print("gold") Where Map sea land'
    assert said(search.search(ann, "treasure")) == [shown, "Is **treasure** bold?"]
    (hit,) = search.search(ann, "gold")
    assert [piece.text for piece in hit.excerpt if piece.is_hit] == ["gold"]
    (address,) = said(search.search(ann, "example.org"))  # it is in no word of the answer
    assert "https://example.org/atlas" in address


def test_a_search_that_takes_too_long_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("SQLite's clock")
    ann = make_person()
    conversation = make_conversation(ann)
    text = "lorem ipsum " * 2000
    Message.objects.bulk_create(
        Message(conversation=conversation, author=ann, role="user", text=text) for _ in range(50)
    )
    monkeypatch.setattr(search, "DEADLINE_S", -1.0)
    monkeypatch.setattr(search, "STEPS", 10)
    with pytest.raises(Refused) as late:
        search.search(ann, "treasure")
    assert (late.value.code, late.value.retryable) == ("too_slow", True)
    monkeypatch.undo()
    assert search.search(ann, "treasure") == []  # the clock was put away


def test_no_more_is_shown_than_anybody_reads() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    rows: Any = (Message(conversation=conversation, author=ann, role="user", text=f"tea {n}") for n in range(100))
    Message.objects.bulk_create(rows)
    hits = search.search(ann, "tea")
    assert len(hits) == search.MESSAGES_MAX
    assert said(hits)[0] == "tea 99"
