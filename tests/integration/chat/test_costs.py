"""What answers cost, for those who may see it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from streaming.models import Attempt
from tests.integration.chat.factories import answer_of, end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db


def price(generation: str, cost: int | None) -> None:
    Attempt.objects.filter(generation_id=generation).update(cost_micro=cost, usage_source="provider")


def client_of(person: Any, *, sees_cost: bool = True) -> Client:
    if sees_cost:
        person.user_permissions.add(Permission.objects.get(codename="view_numbers"))
    client = Client()
    client.force_login(person)
    return client


def test_known_costs_are_told_and_unknown_ones_left_out() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    known, unknown = send(ann, conversation), None
    end(known.generation)
    unknown = send(ann, conversation)
    end(unknown.generation)
    price(str(known.generation), 1230)
    price(str(unknown.generation), None)
    ids = f"{answer_of(known).pk},{answer_of(unknown).pk},{known.message},99999"
    address = f"/conversations/{conversation.pk}/costs/?ids={ids}"
    assert client_of(ann).get(address).json() == {"costs": {str(answer_of(known).pk): 1230}}


def test_only_those_who_see_numbers_and_take_part_are_told() -> None:
    ann, bob, eve = make_person(), make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    sent = send(ann, conversation)
    end(sent.generation)
    price(str(sent.generation), 1230)
    address = f"/conversations/{conversation.pk}/costs/?ids={answer_of(sent).pk}"
    assert client_of(bob, sees_cost=False).get(address).status_code == 403
    assert client_of(eve).get(address).status_code == 404
    other = make_conversation(eve)
    elsewhere = f"/conversations/{other.pk}/costs/?ids={answer_of(sent).pk}"
    assert client_of(eve).get(elsewhere).json() == {"costs": {}}


@pytest.mark.parametrize("ids", ["", "x", "1,", "1,,2", "9" * 19])
def test_what_is_no_list_of_numbers_is_nothing(ids: str) -> None:
    ann = make_person()
    address = f"/conversations/{make_conversation(ann).pk}/costs/?ids={ids}"
    assert client_of(ann).get(address).status_code == 404
