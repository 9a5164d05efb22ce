"""Who is there on the first run of the demo, and what later runs leave alone."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from chat.models import Conversation
from chatsite.demo.people import seed

pytestmark = pytest.mark.django_db
PASSWORDS = {"ann": "first-ann", "bob": "first-bob", "admin": "first-admin"}


def has_password(name: str, password: str) -> bool:
    return get_user_model().objects.get(username=name).check_password(password)


def test_the_first_run_makes_three_people_and_one_conversation_of_two() -> None:
    seed(PASSWORDS, reset=True)
    assert all(has_password(name, password) for name, password in PASSWORDS.items())
    staff = get_user_model().objects.filter(is_staff=True, is_superuser=True)
    assert [person.username for person in staff] == ["admin"]
    roles = Conversation.objects.get().participants.values_list("user__username", "role")
    assert dict(roles) == {"ann": "owner", "bob": "member"}


def test_a_later_run_leaves_people_and_conversations_as_they_are() -> None:
    seed(PASSWORDS, reset=True)
    ann = get_user_model().objects.get(username="ann")
    ann.set_password("changed by ann")
    ann.save()
    Conversation.objects.all().delete()
    seed(PASSWORDS, reset=False)
    assert has_password("ann", "changed by ann")
    assert not Conversation.objects.exists()


def test_new_passwords_are_given_to_people_who_are_there_already() -> None:
    seed(PASSWORDS, reset=True)
    seed({name: f"new-{name}" for name in PASSWORDS}, reset=True)
    assert all(has_password(name, f"new-{name}") for name in PASSWORDS)
    assert get_user_model().objects.count() == len(PASSWORDS)
    assert Conversation.objects.count() == 1
