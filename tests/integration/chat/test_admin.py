from typing import Any

import pytest
from django.test import Client

from tests.integration.chat.factories import make_conversation, make_person, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(make_person("root", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def conversation() -> Any:
    ann = make_person("ann")
    made = make_conversation(ann)
    send(ann, made, "something private")
    return made


@pytest.mark.parametrize("path", ["", "{id}/change/", "?q=ann"])
def test_administrators_see_conversations_but_not_what_is_said(admin: Client, conversation: Any, path: str) -> None:
    page = admin.get(f"/admin/chat/conversation/{path.format(id=conversation.pk)}", follow=True)
    assert page.status_code == 200
    assert str(conversation.pk) in page.text
    assert "something private" not in page.text
    assert "Talk" not in page.text


@pytest.mark.parametrize("path", ["add/", "{id}/change/", "{id}/delete/"])
def test_nothing_can_be_changed_there(admin: Client, conversation: Any, path: str) -> None:
    answer = admin.post(f"/admin/chat/conversation/{path.format(id=conversation.pk)}", {"title": "x", "post": "yes"})
    assert answer.status_code == 403
