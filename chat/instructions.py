"""The system prompt of a conversation: what everybody's model is told first. It counts from the next answer on."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db import transaction

from chat import changes
from chat.access import Role, User, id_of
from chat.command_fields import Wrong, read_text
from streaming.errors import Refused
from streaming.hooks import AfterEnd

SYSTEM_PROMPT_MAX_CHARS: Final = 20_000


@transaction.atomic
def instruct(user: User, conversation_id: UUID, text: str) -> AfterEnd:
    """Change the system prompt; empty: the usual one. Raises Refused."""
    conversation = changes.lock_for(user, conversation_id, Role.MEMBER)
    _check(text)
    if conversation.system_prompt == text.strip():
        return AfterEnd()
    conversation.system_prompt = text.strip()
    conversation.save(update_fields=["system_prompt"])
    changes.next_revision(conversation, by=id_of(user))
    return changes.changed(conversation, told=True)


def _check(text: str) -> None:
    try:
        read_text(text)
    except Wrong as wrong:
        raise Refused(f"That text {wrong.reason}.", code=wrong.code) from None
    if len(text) > SYSTEM_PROMPT_MAX_CHARS:
        words = f"These instructions are too long: at most {SYSTEM_PROMPT_MAX_CHARS:,} characters."
        raise Refused(words, code="message_too_long")
