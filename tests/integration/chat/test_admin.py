from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from chat import shares
from chat.models import Share
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


def test_administrators_see_what_is_shared_and_may_end_it(admin: Client, conversation: Any) -> None:
    ann = conversation.participants.get().user
    shares.take(ann, conversation.pk)
    link = shares.link_of(conversation)
    assert link is not None
    share = Share.objects.get()
    address = f"/admin/chat/share/{share.pk}"
    for path in ("/admin/chat/share/", f"{address}/change/", f"{address}/delete/"):
        page = admin.get(path)
        assert page.status_code == 200
        assert str(conversation.pk) in page.text
        for words in ("something private", "Talk", link.token, share.key.hex, str(share.key)):
            assert words not in page.text, (path, words)
    looking = make_person("clerk", is_staff=True)
    looking.user_permissions.add(Permission.objects.get(codename="view_share"))
    clerk = Client()
    clerk.force_login(looking)
    assert clerk.get(f"{address}/change/").status_code == 200
    assert clerk.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    assert admin.post(f"{address}/delete/", {"post": "yes"}).status_code == 302
    assert shares.link_of(conversation) is None
    assert LogEntry.objects.filter(user__username="root", action_flag=DELETION, object_id=str(share.pk)).exists()
