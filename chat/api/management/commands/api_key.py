"""`manage.py api_key create|list|revoke`: keys of programs, for operators and scripts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from chat.api import keys, revoking
from chat.api.models import ApiKey, Scope
from streaming.errors import Refused


class Command(BaseCommand):
    help = "Make, list and revoke the API keys of people."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a key; it is printed once")
        create.add_argument("username")
        create.add_argument("--name", default="command line", help="what it is for")
        create.add_argument("--scope", action="append", choices=Scope.values, help="may be repeated; default: all")
        create.add_argument("--days", type=int, help="until it expires; default: never")
        listing = actions.add_parser("list", help="show keys, never the secret part")
        listing.add_argument("username", nargs="?")
        revoke = actions.add_parser("revoke", help="end a key for good")
        revoke.add_argument("prefix", help="how it begins, as `list` shows it")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            getattr(self, f"_{action}")(**options)
        except Refused as refused:
            raise CommandError(refused.message) from None

    def _create(
        self, username: str, name: str, scope: list[str] | None = None, days: int | None = None, **_: Any
    ) -> None:
        user = get_user_model().objects.filter(username=username, is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active person {username!r}.")
        expires_at = None if days is None else timezone.now() + timedelta(days=days)
        made = keys.create_key(user, name, scope or Scope.values, expires_at)
        self.stdout.write(made.token)  # alone on its line: scripts take it as it is

    def _list(self, username: str | None = None, **_: Any) -> None:
        rows = ApiKey.objects.select_related("user")
        for key in rows.filter(user__username=username) if username else rows:
            used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
            ends = f"expires {key.expires_at:%Y-%m-%d}" if key.expires_at else "does not expire"
            state = "revoked" if key.revoked_at else ends
            words = f"{key.prefix}…  {key.user.get_username()}  {','.join(key.scopes)}  {used}, {state}  {key.name}"
            self.stdout.write(words)

    def _revoke(self, prefix: str, **_: Any) -> None:
        if len(prefix) < len(keys.START) + 1:
            raise CommandError(f"Say more of the key than {keys.START!r}.")
        found = list(ApiKey.objects.filter(prefix__startswith=prefix[: keys.PREFIX_CHARS], revoked_at__isnull=True))
        if len(found) != 1:
            raise CommandError(f"{len(found)} keys that are not revoked begin like this.")
        revoking.revoke_key(found[0])
        self.stdout.write(f"{found[0]} is revoked.")
