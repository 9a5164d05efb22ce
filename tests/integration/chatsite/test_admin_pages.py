"""Every page of the admin opens, in its own policy; the chat's policy is not touched by it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from tests.integration.chat.factories import make_conversation, make_person, send
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

CHAT_POLICY = {
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "font-src 'self'",
    "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'", "object-src 'none'",
}  # fmt: skip


@pytest.fixture(autouse=True)
def site(valkey: Valkey) -> None:
    """Lanes are asked for their state."""


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def policy(page: Any) -> set[str]:
    return {
        " ".join(word for word in part.split() if "nonce-" not in word)
        for part in page.headers["Content-Security-Policy"].split("; ")
    }


def test_the_admin_has_a_policy_of_its_own_and_the_chat_keeps_the_strict_one(root: Client) -> None:
    assert policy(root.get("/")) == CHAT_POLICY
    assert policy(root.get("/accounts/password/change/")) == CHAT_POLICY
    widened = {"script-src 'self' 'unsafe-eval'", "style-src 'self' 'unsafe-inline'"}
    assert policy(root.get("/admin/")) == CHAT_POLICY - {"script-src 'self'", "style-src 'self'"} | widened


def test_every_list_and_form_opens(root: Client) -> None:
    ann = make_person("ann")
    send(ann, make_conversation(ann), "something private")
    for model, page in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        answer = root.get(reverse(f"{name}_changelist"))
        assert answer.status_code == 200, model
        assert "unfold" in answer.text, f"{model} is not in our look"
        assert "something private" not in answer.text
        for row in model._default_manager.all()[:1]:
            answer = root.get(reverse(f"{name}_change", args=[row.pk]))
            assert answer.status_code == 200, model
            assert "something private" not in answer.text
        assert page.has_view_permission is not None


def test_operators_get_all_permissions_once_and_keep_what_was_changed_since() -> None:
    from streaming import operators

    operators.make_group()
    group = Group.objects.get(name="Operators")
    names = set(group.permissions.values_list("codename", flat=True))
    assert names == {*operators.PERMISSIONS, "view_logentry"}
    group.permissions.clear()
    operators.make_group()
    assert not group.permissions.exists()


@pytest.mark.parametrize("name", ["generation", "lane", "tokenspend"])
def test_numbers_are_for_those_who_may_see_them(name: str) -> None:
    staff = User.objects.create_user("staff", is_staff=True)
    client = Client()
    client.force_login(staff)
    path = f"/admin/streaming/{name}/"
    assert client.get(path).status_code == 403
    staff.groups.add(Group.objects.get(name="Operators"))
    assert client.get(path).status_code == 200
