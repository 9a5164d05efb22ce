"""People with sessions, and conversations, written straight into the site's database (see `inside`).

people   {count, shared}   `shared`: all in one conversation, else each in one of their own
more     {people}          one more conversation for each of them
history  {person, conversation, messages}   questions and finished answers, long past
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.db import transaction
from django.utils import timezone

from chat.models import Conversation, Message, Participant
from streaming import answer_blocks
from streaming.markdown import render_document
from streaming.models import Generation
from streaming.states import Status

#: What answers are made of.
ANSWER = """## A heading

Some words with **strength**, `code` and a [link](https://example.org/), and then a few more words to fill a line.

- one thing
- another thing

```python
def frequent(text):
    return sorted(text.split(), key=len)
```

| a | b |
|---|---|
| 1 | 2 |

"""
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


@transaction.atomic
def history(person: int, conversation: str, messages: int) -> dict[str, Any]:
    """`messages` in all, every other one an answer, as a worker would have left them."""
    now, blocks, last = timezone.now(), answer_blocks.encode(render_document(ANSWER)), None
    done = {"model": "sim", "status": Status.COMPLETED, "text": ANSWER, "blocks": blocks, "finished_at": now}
    for turn in range(messages // 2):
        answer = Generation.objects.create(user_id=person, wake_at=now, deadline_at=now, **done)
        question = Message(conversation_id=conversation, author_id=person, role="user", parent_id=last)
        question.text = f"Question {turn}"
        question.save()
        reply = Message(conversation_id=conversation, role="assistant", parent=question, generation=answer)
        reply.save()
        last = reply.pk
    return {"messages": Message.objects.filter(conversation_id=conversation).count()}


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
        work = {"people": people, "history": history}[command.pop("do")]
        print(json.dumps(work(**command)), flush=True)
