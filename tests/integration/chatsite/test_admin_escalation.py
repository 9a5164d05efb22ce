"""Staff with one of Django's own permissions cannot make more of it: no rights, no other's account or key."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from chat.api.models import ApiKey

pytestmark = pytest.mark.django_db


def staff(*codenames: str) -> tuple[User, Client]:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return user, client


def person(name: str, **fields: Any) -> User:
    return User.objects.create_user(name, password="old", **fields)


def test_who_changes_people_gives_no_rights() -> None:
    clerk, client = staff("change_user", "view_user")
    before = set(clerk.user_permissions.all())
    given = Permission.objects.get(codename="view_text")
    group = Group.objects.create(name="all")
    form = {"username": "clerk", "first_name": "C", "is_active": "on", "is_staff": "on", "is_superuser": "on",
            "user_permissions": [given.pk], "groups": [group.pk], "date_joined_0": "2026-01-01",
            "date_joined_1": "00:00"}  # fmt: skip
    assert client.post(f"/admin/auth/user/{clerk.pk}/change/", form).status_code == 302
    clerk.refresh_from_db()
    assert clerk.first_name == "C", "the rest of the form is taken"
    assert not clerk.is_superuser
    assert set(clerk.user_permissions.all()) == before
    assert not clerk.groups.exists()


@pytest.mark.parametrize("fields", [{"is_staff": True}, {"is_staff": True, "is_superuser": True}], ids=str)
def test_who_changes_people_takes_over_no_staff(fields: dict[str, bool]) -> None:
    _, client = staff("change_user", "view_user")
    other = person("boss", **fields)
    form = {"password1": "Tea-and-biscuits-9", "password2": "Tea-and-biscuits-9", "usable_password": "true"}
    assert client.post(f"/admin/auth/user/{other.pk}/password/", form).status_code == 403
    other.refresh_from_db()
    assert other.check_password("old")


def test_groups_are_for_superusers() -> None:
    _, client = staff("add_group", "change_group", "view_group")
    group = Group.objects.create(name="all")
    assert client.post("/admin/auth/group/add/", {"name": "more"}).status_code == 403
    assert client.post(f"/admin/auth/group/{group.pk}/change/", {"name": "other"}).status_code == 403


@pytest.mark.parametrize("own", [True, False])
def test_a_key_for_somebody_else_is_for_superusers(own: bool) -> None:
    clerk, client = staff("add_apikey", "view_apikey")
    user = clerk if own else person("ann")
    form = {"user": user.pk, "name": "mine", "scopes": ["read"], "expires_at_0": "", "expires_at_1": ""}
    page = client.post("/admin/api/apikey/add/", form)
    assert page.status_code == (302 if own else 200)
    assert ApiKey.objects.filter(user=user).exists() == own


@pytest.mark.parametrize("query", ["page", "person"])
@pytest.mark.parametrize(
    "value", ["9" * 30, "9" * 5000, "-1", "٣", "²"], ids=["large", "endless", "minus", "Arabic", "²"]
)
def test_a_number_in_an_address_may_be_anything(query: str, value: str) -> None:
    _, client = staff("view_numbers")
    assert client.get("/admin/answers/", {query: value, "part": ""}).status_code == 200
