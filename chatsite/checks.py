"""System checks of the site: what must be right before strangers may reach it.

chatsite.E001  ALLOWED_ORIGINS are full origins
chatsite.E002  (deploy) no origin is a wildcard              chatsite.W001  (deploy) SECURE is on
chatsite.E003  (deploy) SECRET_KEY is in the environment     chatsite.W002  (deploy) the database is a server
chatsite.E004  (deploy) ALLOWED_HOSTS names hosts            chatsite.E005  (deploy) DEBUG is off
chatsite.E006  LOG_FORMAT is known
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.security)
def check_origins(app_configs: Any, **_: Any) -> Iterator[CheckMessage]:
    for origin in settings.ALLOWED_ORIGINS:
        if "*" not in origin and not _is_origin(origin):
            hint = "Scheme, host and port as a browser shows them: https://chat.example.org"
            yield Error(f"ALLOWED_ORIGINS: {origin!r} is not a full origin.", hint=hint, id="chatsite.E001")


@register()
def check_log_format(app_configs: Any, **_: Any) -> Iterator[CheckMessage]:
    if settings.LOG_FORMAT not in ("line", "json"):
        yield Error(f"LOG_FORMAT: {settings.LOG_FORMAT!r} is neither line nor json.", id="chatsite.E006")


def _is_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts[2:] == ("", "", "")


@register(Tags.security, deploy=True)
def check_secrets_and_transport(app_configs: Any, **_: Any) -> Iterator[CheckMessage]:
    if any("*" in origin for origin in settings.ALLOWED_ORIGINS):
        hint = "Any page on the web could open a WebSocket with a visitor's session."
        yield Error("ALLOWED_ORIGINS holds a wildcard.", hint=hint, id="chatsite.E002")
    if not settings.SECRET_KEY_IS_SET:
        hint = "Each process made up its own key: sessions of one are unknown to the next."
        yield Error("SECRET_KEY is not set in the environment.", hint=hint, id="chatsite.E003")
    if "*" in settings.ALLOWED_HOSTS:
        hint = "A forged Host header would stand in links that people are sent. Name the site's hosts."
        yield Error("ALLOWED_HOSTS holds a wildcard.", hint=hint, id="chatsite.E004")
    if settings.DEBUG:
        hint = "Its error pages show settings and what people wrote to whoever causes one."
        yield Error("DEBUG is on.", hint=hint, id="chatsite.E005")
    if not settings.SECURE:
        hint = "Set SECURE=1 once the site is behind TLS: cookies and redirects then insist on it."
        yield Warning("SECURE is off.", hint=hint, id="chatsite.W001")


@register(Tags.security, deploy=True)
def check_database(app_configs: Any, **_: Any) -> list[CheckMessage]:
    return database_messages(settings.DATABASES["default"]["ENGINE"])


def database_messages(engine: str) -> list[CheckMessage]:
    if not engine.endswith("sqlite3"):
        return []
    hint = "One file serves one machine and one writer at a time. Set DATABASE_URL to a PostgreSQL server."
    return [Warning("The database is SQLite.", hint=hint, id="chatsite.W002")]
