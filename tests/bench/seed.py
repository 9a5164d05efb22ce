"""People with sessions, and conversations, written straight into the site's database (see `inside`).

people   {count, shared}   `shared`: all in one conversation, else each in one of their own
more     {people}          one more conversation for each of them
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.db import transaction

from chat.models import Conversation, Participant

SessionStore = import_module(settings.SESSION_ENGINE).SessionStore


@transaction.atomic
def people(count: int, shared: bool) -> dict[str, Any]:
    """Cookies, and per person the conversation. All are new: nobody's limits are touched by an earlier run."""
    known = get_user_model().objects.count()
    users = [get_user_model()(username=f"bench{known + number}", password="!") for number in range(count)]
    get_user_model().objects.bulk_create(users)
    conversations = [Conversation(title="bench") for _ in range(1 if shared else count)]
    Conversation.objects.bulk_create(conversations)
    homes = conversations * count if shared else conversations
    Participant.objects.bulk_create(
        Participant(conversation=home, user=user, role=Participant.Role.MEMBER)
        for home, user in zip(homes, users, strict=True)
    )
    return {
        "people": [user.pk for user in users],
        "cookies": [f"{settings.SESSION_COOKIE_NAME}={_session(user)}" for user in users],
        "conversations": [str(home.pk) for home in homes],
    }


def _session(user: Any) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def serve() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        assert command.pop("do") == "people"
        print(json.dumps(people(**command)), flush=True)
