"""API keys: made, found, revoked. Sync; the only place that knows how a key becomes a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from chat.api.models import ApiKey, Scope
from streaming.errors import Refused

START: Final = "sk-chat-"
PREFIX_CHARS: Final = len(START) + 6
NAME_MAX_CHARS: Final = 60
#: Of one person; revoked and expired ones do not count.
KEYS_MAX: Final = 20
USED_EVERY: Final = timedelta(minutes=1)
_TOKEN_MAX_CHARS: Final = 200


class BadKey(Refused):
    """One sentence for all reasons: who tries keys learns nothing. It says what an honest owner should look at."""

    code = "invalid_api_key"
    message = "This API key is not valid: unknown, revoked, expired, or its owner is no longer active."


class MissingScope(Refused):
    code = "missing_scope"


@dataclass(frozen=True, slots=True)
class Made:
    """`token` is shown once and kept nowhere."""

    key: ApiKey
    token: str


def create_key(
    user: Any, name: str, scopes: Iterable[str] = (Scope.READ, Scope.CHAT), expires_at: datetime | None = None
) -> Made:
    """Raises Refused."""
    name, wanted = " ".join(name.split()), sorted(set(scopes))
    if not 1 <= len(name) <= NAME_MAX_CHARS:
        raise Refused(f"A key's name has 1 to {NAME_MAX_CHARS} characters.", code="bad_field")
    if not wanted or not set(wanted) <= set(Scope.values):
        raise Refused(f"A key has some of these scopes: {', '.join(Scope.values)}.", code="bad_field")
    if expires_at is not None and expires_at <= timezone.now():
        raise Refused("A key expires in the future.", code="bad_field")
    if live_keys(user).count() >= KEYS_MAX:
        raise Refused(f"You have {KEYS_MAX} keys already. Revoke one first.", code="too_many")
    token = START + secrets.token_urlsafe(32)
    fields = {"name": name, "scopes": wanted, "expires_at": expires_at, "prefix": token[:PREFIX_CHARS]}
    return Made(ApiKey.objects.create(user=user, hash=hash_of(token), **fields), token)


def live_keys(user: Any) -> QuerySet[ApiKey]:
    now = timezone.now()
    return ApiKey.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), user=user, revoked_at__isnull=True)


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def find_key(token: str) -> ApiKey:
    """The key, with its person, in one query. Raises BadKey.

    The hash is looked up, not compared: how long that takes says nothing of a key, as nobody can choose hashes.
    """
    if len(token) > _TOKEN_MAX_CHARS:
        raise BadKey
    key = ApiKey.objects.select_related("user").filter(hash=hash_of(token)).first()
    if key is None or not key.is_valid or not key.user.is_active:
        raise BadKey
    _note_use(key)
    return key


def _note_use(key: ApiKey) -> None:
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at >= USED_EVERY:
        # By its time as well: of many requests at once, one writes.
        ApiKey.objects.filter(pk=key.pk, last_used_at=key.last_used_at).update(last_used_at=now)


def check_scope(key: ApiKey, scope: str) -> None:
    """Raises MissingScope."""
    if scope in key.scopes or (scope == Scope.READ and Scope.CHAT in key.scopes):
        return
    raise MissingScope(f"This API key lacks the scope {scope!r}. Make one that has it.")
