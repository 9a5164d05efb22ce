"""What must be right before strangers may reach the site."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from chatsite import checks

PRODUCTION = {
    "ALLOWED_ORIGINS": ["https://chat.example.org"],
    "SECRET_KEY_IS_SET": True,
    "SECURE": True,
    "ALLOWED_HOSTS": ["chat.example.org"],
    "DEBUG": False,
    "DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql"}},
}


def deploy_ids(**change: Any) -> list[str]:
    values = {**PRODUCTION, **change}
    databases = values.pop("DATABASES")
    with override_settings(**values):
        messages = [*checks.check_origins(None), *checks.check_secrets_and_transport(None)]
        return [str(message.id) for message in [*messages, *checks.database_messages(databases["default"]["ENGINE"])]]


def test_a_proper_production_environment_passes() -> None:
    assert deploy_ids() == []


@pytest.mark.parametrize(
    "origin", ["chat.example.org", "https://", "ftp://chat.example.org", "https://chat.example.org/"]
)
def test_an_origin_needs_scheme_and_host_and_nothing_else(origin: str) -> None:
    assert deploy_ids(ALLOWED_ORIGINS=[origin]) == ["chatsite.E001"]


@pytest.mark.parametrize("origin", ["*", "https://*.example.org"])
def test_a_wildcard_origin_is_refused(origin: str) -> None:
    assert deploy_ids(ALLOWED_ORIGINS=[origin]) == ["chatsite.E002"]


def test_a_made_up_secret_key_is_refused() -> None:
    assert deploy_ids(SECRET_KEY_IS_SET=False) == ["chatsite.E003"]


def test_missing_tls_is_warned_about() -> None:
    assert deploy_ids(SECURE=False) == ["chatsite.W001"]


def test_sqlite_is_warned_about() -> None:
    assert deploy_ids(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3"}}) == ["chatsite.W002"]


def test_any_host_is_refused() -> None:
    assert deploy_ids(ALLOWED_HOSTS=["*"]) == ["chatsite.E004"]


def test_debug_is_refused() -> None:
    assert deploy_ids(DEBUG=True) == ["chatsite.E005"]


@pytest.mark.parametrize(("form", "ids"), [("line", []), ("json", []), ("xml", ["chatsite.E006"])])
def test_a_log_format_is_one_of_two(form: str, ids: list[str]) -> None:
    with override_settings(LOG_FORMAT=form):
        assert [message.id for message in checks.check_log_format(None)] == ids
