"""A conversation to keep: as Markdown for people, as JSON for programs. What is shown is exported, nothing more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from django.utils.translation import gettext

from chat.events import MessageData
from chat.models import Conversation
from chat.page_data import message_note, message_state
from chat.selectors import message_page, moment, now
from streaming.markdown_text import closed

#: Of the JSON form: what a reader of it may rely on.
VERSION: Final = 1
_KEPT: Final = ("id", "parent", "role", "model", "text", "state", "created_at", "edited_at")


def as_markdown(conversation: Conversation) -> str:
    """A heading for each message: who wrote it and when (UTC); below an answer, how it ended if not whole."""
    parts = [f"# {conversation}\n"]
    for message in _messages(conversation):
        parts.append(f"\n## {_writer(message)}, {message['created_at']}\n\n{_body(message)}\n")
    return "".join(parts)


def as_json(conversation: Conversation) -> str:
    """`{"format": "chatsite.conversation", "version": 1, "title", "created_at", "exported_at", "messages": [...]}`,
    each message with id, parent, role, author (null for a model), model, text, state (of an answer: done, stopped,
    interrupted, failed or answering), created_at and edited_at."""
    messages = [_kept(message) for message in _messages(conversation)]
    whole = {
        "format": "chatsite.conversation",
        "version": VERSION,
        "title": str(conversation),
        "created_at": moment(conversation.created_at),
        "exported_at": now(),
        "messages": messages,
    }
    return json.dumps(whole, ensure_ascii=False, indent=1)


#: The ending of a file's name to its content type and its writer.
KINDS: Final[dict[str, tuple[str, Callable[[Conversation], str]]]] = {
    "md": ("text/markdown; charset=utf-8", as_markdown),
    "json": ("application/json", as_json),
}


def _messages(conversation: Conversation) -> list[MessageData]:
    pages = [message_page(conversation.pk)]
    while pages[-1].older:
        pages.append(message_page(conversation.pk, pages[-1].messages[0]["id"]))
    return [message for page in reversed(pages) for message in page.messages]


def _kept(message: MessageData) -> dict[str, Any]:
    author = message["author"]
    kept: dict[str, Any] = {name: value for name, value in message.items() if name in _KEPT}
    if message["role"] == "assistant":
        kept["state"] = message_state(message)
    return kept | {"author": author["name"] if author else None}


def _body(message: MessageData) -> str:
    """A code block that broke off must not swallow what follows."""
    note = message_note(message)
    return "\n\n".join(part for part in (closed(message["text"]), note and f"*{note}*") if part)


def _writer(message: MessageData) -> str:
    if message["role"] == "assistant":
        return message["model"]
    return message["author"]["name"] if message["author"] else gettext("Somebody who left")
