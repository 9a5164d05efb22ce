"""Who is there on the first run: ann and bob, who share a conversation, and admin."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import transaction

from chat.models import Conversation, Participant

OWNER, MEMBER, ADMIN = "ann", "bob", "admin"


def seed(passwords: dict[str, str], *, reset: bool) -> None:
    """Makes whoever is missing; `reset` also gives the present ones these passwords."""
    users = get_user_model().objects
    present = set(users.filter(username__in=passwords).values_list("username", flat=True))
    wanted = [name for name in passwords if reset or name not in present]
    with ThreadPoolExecutor() as threads:  # hashing is slow on purpose, and leaves Python's lock meanwhile
        hashes = dict(zip(wanted, threads.map(make_password, (passwords[name] for name in wanted)), strict=True))
    with transaction.atomic():
        for name, password in hashes.items():
            fresh = {"password": password, "is_staff": name == ADMIN, "is_superuser": name == ADMIN}
            users.update_or_create(username=name, defaults={"password": password}, create_defaults=fresh)
        if not {OWNER, MEMBER} <= present:
            _share_a_conversation()


def _share_a_conversation() -> None:
    users = get_user_model().objects
    conversation = Conversation.objects.create(title="Ann and Bob", revision=1)
    for name, role in ((OWNER, Participant.Role.OWNER), (MEMBER, Participant.Role.MEMBER)):
        Participant.objects.create(conversation=conversation, user=users.get(username=name), role=role)
