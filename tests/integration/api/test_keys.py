"""Keys, and the three ways to make one."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from chat.api import keys, revoking
from chat.api.models import ApiKey, Scope
from streaming.errors import Refused
from tests.integration.chat.factories import make_person

pytestmark = pytest.mark.django_db
PAGE = "/accounts/api-keys/"
TOKEN = re.compile(r"sk-chat-[\w-]{43}")


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_only_the_hash_of_a_key_is_kept() -> None:
    made = keys.create_key(make_person(), "mine")
    row = ApiKey.objects.values().get()
    assert made.token not in str(row)
    assert row["hash"] == hashlib.sha256(made.token.encode()).hexdigest()
    assert made.token.startswith(row["prefix"])


def test_a_key_is_found_with_its_person_in_one_query(django_assert_num_queries: Any) -> None:
    made = keys.create_key(make_person("ann"), "mine")
    keys.find_key(made.token)  # the first use is noted
    with django_assert_num_queries(1):
        assert keys.find_key(made.token).user.username == "ann"


def test_the_last_use_is_written_once_a_minute() -> None:
    made = keys.create_key(make_person(), "mine")
    first = keys.find_key(made.token)
    noted = ApiKey.objects.get().last_used_at
    keys.find_key(made.token)
    assert ApiKey.objects.get().last_used_at == noted
    ApiKey.objects.filter(pk=first.pk).update(last_used_at=timezone.now() - timedelta(seconds=61))
    keys.find_key(made.token)
    assert ApiKey.objects.get().last_used_at > noted  # type: ignore[operator]


@pytest.mark.parametrize("fields", [{"name": " "}, {"scopes": []}, {"scopes": ["all"]},
                                    {"expires_at": timezone.now() - timedelta(days=1)}])  # fmt: skip
def test_a_key_that_would_be_none_is_not_made(fields: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        keys.create_key(make_person(), **{"name": "mine", **fields})


def test_one_person_has_so_many_keys_and_no_more() -> None:
    ann = make_person()
    made = [keys.create_key(ann, f"key {number}") for number in range(keys.KEYS_MAX)]
    with pytest.raises(Refused, match="Revoke one"):
        keys.create_key(ann, "one more")
    revoking.revoke_key(made[0].key)
    keys.create_key(ann, "one more")


def test_people_make_keys_and_see_them_once() -> None:
    client = signed_in(make_person("ann"))
    page = client.post(PAGE, {"name": "script", "scopes": ["read"], "days": "30"}).content.decode()
    token = TOKEN.findall(page)[0]
    key = keys.find_key(token)
    assert (key.user.username, key.scopes) == ("ann", ["read"])
    assert key.expires_at is not None
    again = client.get(PAGE).content.decode()
    assert token not in again
    assert key.prefix in again


def test_what_is_wrong_with_a_key_is_said_in_the_form() -> None:
    page = signed_in(make_person()).post(PAGE, {"name": "", "days": "90"}).content.decode()
    assert page.count("This field is required.") == 2
    assert not ApiKey.objects.exists()


def test_people_revoke_their_own_keys_only() -> None:
    ann, bob = make_person(), make_person()
    made = keys.create_key(ann, "mine")
    assert signed_in(bob).post(f"{PAGE}{made.key.pk}/revoke/").status_code == 404
    keys.find_key(made.token)
    assert signed_in(ann).post(f"{PAGE}{made.key.pk}/revoke/").status_code == 302
    with pytest.raises(keys.BadKey):
        keys.find_key(made.token)


def test_nobody_sees_keys_without_logging_in() -> None:
    assert Client().get(PAGE).status_code == 302


def test_the_admin_makes_a_key_and_shows_it_once() -> None:
    admin, ann = make_person(is_staff=True, is_superuser=True), make_person("ann")
    client = signed_in(admin)
    form = {"user": ann.pk, "name": "robot", "scopes": ["chat"], "expires_at_0": "", "expires_at_1": ""}
    page = client.post("/admin/api/apikey/add/", form, follow=True).content.decode()
    key = keys.find_key(TOKEN.findall(page)[0])
    assert (key.user, key.scopes) == (ann, ["chat"])
    assert not TOKEN.findall(client.get(f"/admin/api/apikey/{key.pk}/change/").content.decode())
    client.post("/admin/api/apikey/", {"action": "revoke", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert key.revoked_at is not None


def command(*words: str) -> str:
    out = StringIO()
    call_command("api_key", *words, stdout=out)
    return out.getvalue().strip()


def test_the_command_makes_lists_and_revokes_keys() -> None:
    make_person("ann")
    token = command("create", "ann", "--name", "cron", "--scope", "read", "--days", "7")
    key = keys.find_key(token)
    assert key.scopes == [Scope.READ]
    listed = command("list", "ann")
    assert "cron" in listed
    assert token not in listed
    command("revoke", key.prefix)
    with pytest.raises(keys.BadKey):
        keys.find_key(token)


def test_the_command_says_what_it_cannot_do() -> None:
    for words in (["create", "nobody"], ["revoke", "sk-chat-"], ["revoke", "sk-chat-none"]):
        with pytest.raises(CommandError):
            command(*words)
