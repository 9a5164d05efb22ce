"""`python -m tests.acceptance.lane_people <people> <conversations of each>`, with a running site's own settings: makes
people who are logged in, and says who they are as JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import django


def make(people: int, conversations: int) -> list[dict[str, Any]]:
    from django.contrib.auth import get_user_model
    from django.db import transaction

    with transaction.atomic():
        known = get_user_model().objects.count()
        users = [get_user_model()(username=f"person{known + number}", password="!") for number in range(people)]
        get_user_model().objects.bulk_create(users)
        return [_welcome(user, conversations) for user in users]


def _welcome(user: Any, conversations: int) -> dict[str, Any]:
    """Each question has a conversation of its own: in one, the second would wait for the answer to the first."""
    from django.conf import settings
    from django.test import Client

    from chat.models import Conversation, Participant

    homes = Conversation.objects.bulk_create([Conversation(title="lanes") for _ in range(conversations)])
    Participant.objects.bulk_create(
        [Participant(conversation=home, user=user, role=Participant.Role.OWNER) for home in homes]
    )
    browser = Client()
    browser.force_login(user, settings.AUTHENTICATION_BACKENDS[0])
    cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
    return {"id": user.pk, "name": user.username, "cookie": cookie, "conversations": [str(home.pk) for home in homes]}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
    django.setup()
    print(json.dumps(make(int(sys.argv[1]), int(sys.argv[2]))))
