"""What a conversation's page is made of: rows for the template, and the same rows for the page's modules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, gettext_noop

from chat.events import ConversationChanged, GenerationData, ListEntryData, MessageData
from chat.wording import said
from streaming.services import ModelChoice
from streaming.states import LIVE

#: What a message is doing, in the words of the style sheet and of message_view.js.
_OF_STATUS: Final = {"completed": "done", "stopped": "stopped", "interrupted": "interrupted"}
_NOTES: Final = {
    "waiting": gettext_noop("Waits until the running answer has ended."),
    "queued": gettext_noop("Waiting to be answered…"),
    "answering": gettext_noop("Answering…"),
    "stopped": gettext_noop("Stopped."),
    "interrupted": gettext_noop("This answer broke off."),
    "failed": gettext_noop("This could not be answered."),
}
_CUT_SHORT: Final = {
    "length": gettext_noop("The answer was cut at its maximum length."),
    "content_filter": gettext_noop("The model's provider cut this answer."),
}
_EMPTY: Final = gettext_noop("The model had nothing to say.")


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message as the template shows it."""

    data: MessageData
    created_at: datetime
    state: str
    note: str
    own: bool

    @property
    def html(self) -> SafeString | None:
        """Safe because nothing but `streaming.markdown_html` makes it."""
        html = self.data["html"]
        return None if html is None else mark_safe(html)

    @property
    def retryable(self) -> bool:
        generation = self.data["generation"]
        return bool(generation and generation["retryable"])


@dataclass(frozen=True, slots=True)
class Day:
    label: str
    entries: list[ListEntryData]


def in_reading_order(messages: Iterable[MessageData]) -> list[MessageData]:
    """Answers stand below their questions, also if other questions came in between."""
    return sorted(messages, key=lambda message: (_turn(message), message["id"]))


def _turn(message: MessageData) -> int:
    """The question that it is or answers."""
    return message["parent"] or message["id"] if message["role"] == "assistant" else message["id"]


def before_first(ordered: list[MessageData]) -> int | None:
    """What to ask for to get the messages before those, `message_page(before=…)`; None: there are none."""
    if not ordered:
        return None
    first = ordered[0]
    return max(first["id"], (first["parent"] or 0) + 1)  # a question that had to wait is older than what it follows


def message_rows(messages: Iterable[MessageData], user_id: int) -> list[MessageRow]:
    return [_row(message, user_id) for message in in_reading_order(messages)]


def _row(message: MessageData, user_id: int) -> MessageRow:
    return MessageRow(
        data=message,
        created_at=datetime.fromisoformat(message["created_at"]),
        state=message_state(message),
        note=message_note(message),
        own=message["author"] is not None and message["author"]["id"] == user_id,
    )


def message_note(message: MessageData) -> str:
    """What is said below it, about what it waits for or how it ended; nothing if it is whole."""
    generation = message["generation"]
    doing = "queued" if generation and generation["status"] == "queued" else message_state(message)
    return said((_end_note(generation, message["text"]) if generation else "") or _NOTES.get(doing, ""))


def _end_note(generation: GenerationData, text: str) -> str:
    empty = _EMPTY if generation["status"] == "completed" and not text else ""
    return generation["message"] or _CUT_SHORT.get(generation["reason"], "") or empty


def message_state(message: MessageData) -> str:
    """waiting, answering, done, stopped, interrupted or failed."""
    generation = message["generation"]
    if generation is None:
        return "waiting" if message["state"] == "pending" else message["ended"] or "done"
    if generation["status"] in LIVE:
        return "answering"
    return _OF_STATUS.get(generation["status"], "failed")


def initial_state(changed: ConversationChanged, role: str, user_id: int) -> dict[str, Any]:
    """For the page's modules. Texts are left out: they stand in the page already."""
    return {
        "conversation": changed.conversation,
        "revision": changed.revision,
        "title": changed.title,
        "reply_policy": changed.reply_policy,
        "participants": changed.participants,
        "messages": [{**message, "text": None, "html": None} for message in changed.messages],
        "older": bool(changed.older),
        "told": changed.told,
        "role": role,
        "user": user_id,
    }


def model_rows(choices: Iterable[ModelChoice], default: str | None) -> list[dict[str, Any]]:
    return [
        {"alias": choice.alias, "label": choice.label, "why_not": choice.unavailable, "chosen": choice.alias == default}
        for choice in choices
    ]


def by_day(entries: Iterable[ListEntryData]) -> list[Day]:
    """The list in groups, as people remember: today, yesterday, this week, the month."""
    today = timezone.localdate()
    days: list[Day] = []
    for entry in entries:
        label = _day_label(timezone.localdate(datetime.fromisoformat(entry["changed_at"])), today)
        if not days or days[-1].label != label:
            days.append(Day(label, []))
        days[-1].entries.append(entry)
    return days


def _day_label(day: date, today: date) -> str:
    if day >= today:
        return gettext("Today")
    if day == today - timedelta(days=1):
        return gettext("Yesterday")
    if day > today - timedelta(days=7):
        return gettext("Last seven days")
    return date_format(day, "F Y")
