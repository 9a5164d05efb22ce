"""Conversations of before there were versions: each becomes one path, with the newest answers shown."""

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from chat.models import Message
from tests.integration.chat.factories import make_conversation, make_person

pytestmark = pytest.mark.django_db
make_paths: Any = import_module("chat.migrations.0004_paths").make_paths


def test_a_list_becomes_a_path() -> None:
    talk, other = (make_conversation(make_person()) for _ in range(2))

    def write(conversation: Any, role: str, parent: Message | None = None, state: str = "sent") -> Message:
        return Message.objects.create(conversation=conversation, role=role, parent=parent, state=state)

    first = write(talk, "user")
    elsewhere = write(other, "user")
    failed = write(talk, "assistant", first)
    again = write(talk, "assistant", first)
    waited, second = write(talk, "user"), write(talk, "user")
    late = write(talk, "assistant", waited)
    pending = write(talk, "user", state="pending")
    make_paths(apps, connection.schema_editor())
    rows = {row.pk: row for row in Message.objects.all()}
    assert {pk: row.parent_id for pk, row in rows.items()} == {
        first.pk: None, elsewhere.pk: None, failed.pk: first.pk, again.pk: first.pk, waited.pk: again.pk,
        late.pk: waited.pk, second.pk: late.pk, pending.pk: None,
    }  # fmt: skip
    assert [pk for pk, row in rows.items() if not row.shown] == [failed.pk]
    assert {row.first_version_id for row in rows.values()} == {None, failed.pk}
    assert {pk for pk, row in rows.items() if row.first_version_id} == {failed.pk, again.pk}
