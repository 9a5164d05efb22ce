"""Thumbs up and down: whose they are, what can be rated, and what is counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from chat import deletion, ratings
from chat.models import Conversation, Message, Rating
from chat.ratings import Rated
from streaming.states import Status
from tests.integration.chat.factories import answer_of, end, make_conversation, make_person, send
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene(valkey: Valkey) -> tuple[dict[str, Any], Conversation, Message]:
    everybody = {name: make_person(name) for name in ("owner", "member", "viewer", "stranger")}
    conversation = make_conversation(everybody["owner"], members=[everybody["member"]], viewers=[everybody["viewer"]])
    sent = send(everybody["owner"], conversation)
    end(sent.generation)
    return everybody, conversation, answer_of(sent)


def rate(user: Any, message: Message, rating: str, conversation: Any = None) -> tuple[int, Any]:
    client = Client()
    client.force_login(user)
    path = f"/conversations/{conversation or message.conversation_id}/messages/{message.pk}/rating/"
    answer = client.post(path, {"rating": rating}, headers={"Accept": "application/json"})
    assert client.get(path).status_code == 405
    return answer.status_code, answer.json().get("code") or answer.json()["rating"]


def counted() -> dict[str, Rated]:
    now = timezone.now()
    return ratings.by_model(now - timedelta(hours=1), now + timedelta(seconds=1))


def test_each_person_has_one_rating_of_an_answer_and_may_change_it(scene: Any) -> None:
    everybody, conversation, answer = scene
    model = answer.generation.model
    for name, rating in (("owner", "good"), ("member", "bad"), ("viewer", "bad"), ("viewer", "bad")):
        assert rate(everybody[name], answer, rating) == (200, rating)
    assert counted() == {model: Rated(1, 2)}
    assert ratings.own_ratings(everybody["owner"], conversation.pk) == {answer.pk: "good"}
    assert ratings.own_ratings(everybody["member"], conversation.pk) == {answer.pk: "bad"}
    rate(everybody["member"], answer, "good")
    rate(everybody["viewer"], answer, "")
    assert counted() == {model: Rated(2, 0)}
    assert ratings.own_ratings(everybody["viewer"], conversation.pk) == {}


def test_strangers_rate_nothing_and_learn_nothing(scene: Any) -> None:
    everybody, _, answer = scene
    assert rate(everybody["stranger"], answer, "good") == (404, "not_found")
    mine = make_conversation(everybody["stranger"])
    assert rate(everybody["stranger"], answer, "good", mine.pk) == (404, "not_found")
    assert rate(everybody["owner"], answer, "good", mine.pk) == (404, "not_found")
    answer.pk = 10**17
    assert rate(everybody["stranger"], answer, "good") == (404, "not_found")
    assert Client().post(f"/conversations/{answer.conversation_id}/messages/1/rating/").status_code == 302
    assert not Rating.objects.exists()


def test_only_answers_that_have_ended_are_rated(scene: Any) -> None:
    everybody, conversation, answer = scene
    question = Message.objects.get(pk=answer.parent_id)
    assert rate(everybody["owner"], question, "good") == (409, "not_an_answer")
    running = send(everybody["owner"], conversation)
    assert rate(everybody["owner"], answer_of(running), "good") == (409, "not_an_answer")
    end(running.generation, status=Status.STOPPED)
    assert rate(everybody["owner"], answer_of(running), "good") == (200, "good")
    assert rate(everybody["owner"], answer, "great") == (409, "bad_field")


def test_the_page_knows_only_the_readers_own(scene: Any) -> None:
    everybody, conversation, answer = scene
    rate(everybody["owner"], answer, "bad")
    for name, expected in (("owner", f'"ratings": {{"{answer.pk}": "bad"}}'), ("member", '"ratings": {}')):
        client = Client()
        client.force_login(everybody[name])
        assert expected in client.get(f"/conversations/{conversation.pk}/").content.decode()


def test_a_rating_counts_when_its_answer_is_gone(scene: Any) -> None:
    everybody, conversation, answer = scene
    rate(everybody["owner"], answer, "good")
    deletion.delete_conversation(everybody["owner"], conversation.pk)
    assert rate(everybody["owner"], answer, "bad") == (404, "not_found")
    Conversation.objects.update(deleted_at=timezone.now() - timedelta(days=1))
    assert deletion.purge() == 1
    assert counted() == {answer.generation.model: Rated(1, 0)}
