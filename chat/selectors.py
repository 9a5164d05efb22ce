"""Reading: rows as the data that pages and frames show. Nothing here checks rights: `access` comes first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.db.models import Case, CharField, F, QuerySet, Value, When
from django.db.models.functions import Coalesce

from chat import summaries
from chat.events import (
    ConversationChanged,
    GenerationData,
    MessageData,
    ParticipantData,
    PersonData,
    SummaryData,
    ToldData,
)
from chat.models import Conversation, Message, Participant
from chat.names import clean_line
from streaming.answer_blocks import answer_html
from streaming.answer_times import answer_times
from streaming.prepared import prepared
from streaming.states import TERMINAL

PAGE_MESSAGES: Final = 100
#: Shown after a message that was searched for.
FOLLOWING_MESSAGES: Final = 20
#: A page ends early at this size: a frame of many long answers would block a socket for everything else.
PAGE_CHARS: Final = 400_000
#: A message id beyond this is none, and SQLite cannot compare it.
_ID_MAX: Final = 2**63 - 1
_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages from old to new; `older` says whether there are more before them."""

    messages: list[MessageData]
    older: bool


@dataclass(frozen=True, slots=True)
class Here:
    """Somebody who takes part, and how far they have read."""

    person: ParticipantData
    read_revision: int


def everybody(conversation_id: UUID) -> list[Here]:
    return [
        Here({"id": pk, "name": person_name(first, last, username), "role": role}, read)
        for pk, first, last, username, role, read in _participants(conversation_id)
    ]


@prepared
def _participants(conversation_id: UUID) -> QuerySet[Participant, tuple[Any, ...]]:
    rows = Participant.objects.filter(conversation_id=conversation_id).order_by("pk")
    names = ("user__first_name", "user__last_name", "user__username")
    return rows.values_list("user_id", *names, "role", "read_revision")


def person(user: Any) -> PersonData:
    return {"id": user.pk, "name": person_name(user.first_name, user.last_name, user.username)}


@lru_cache(maxsize=4096)  # few people write many messages, and cleaning costs more than reading a row
def person_name(first: str, last: str, username: str) -> str:
    return clean_line(f"{first} {last}") or clean_line(username) or "?"


def message_page(conversation_id: UUID, before: int | None = None, limit: int = PAGE_MESSAGES) -> MessagePage:
    """The newest messages, or the newest ones older than message `before`."""
    rows = Message.objects.filter(conversation_id=conversation_id, shown=True)
    if before is not None:
        rows = rows.filter(pk__lt=min(before, _ID_MAX))
    page: list[_Row] = []
    chars = 0
    older = False
    for row in _with_text(rows.order_by("-pk")[: limit + 1]).iterator(chunk_size=20):
        chars += _size(row)
        older = bool(page) and (len(page) == limit or chars > PAGE_CHARS)
        if older:
            break
        page.append(row)
    return MessagePage(_messages_data(page[::-1]), older)


def page_end_after(conversation_id: UUID, at: int) -> int | None:
    """Before which message a page ends that has `at` and a little of what follows. None: the newest page has it."""
    shown = Message.objects.filter(conversation_id=conversation_id, shown=True)
    later = shown.filter(pk__gt=min(at, _ID_MAX)).order_by("pk")
    ids = list(later.values_list("pk", flat=True)[: FOLLOWING_MESSAGES + 1])
    return ids[-1] if len(ids) > FOLLOWING_MESSAGES else None


def _size(row: _Row) -> int:
    return len(row["whole_text"]) + len(row["generation__blocks"] or "")


def messages_by_id(ids: Iterable[int]) -> list[MessageData]:
    return _messages_data([row for pk in sorted(ids) for row in _one_message(pk)])


@prepared
def _one_message(pk: int) -> QuerySet[Message, dict[str, Any]]:
    return _with_text(Message.objects.filter(pk=pk).order_by())


def changed_since(
    conversation: Conversation, since: int | None, *, people: list[Here] | None = None
) -> ConversationChanged:
    """All that changed after revision `since`; everything (the newest page) if that is unknown or too much."""
    if since is not None and since <= conversation.revision:
        changed = _changed_rows(conversation, since)
        if changed is not None:
            shown = [row for row in changed if row["shown"]]
            removed = [row["pk"] for row in changed if not row["shown"]]
            return conversation_changed(conversation, _messages_data(shown), removed=removed, people=people, told=True)
    page = message_page(conversation.pk)
    return conversation_changed(conversation, page.messages, complete=True, older=page.older, people=people, told=True)


def _changed_rows(conversation: Conversation, since: int) -> list[_Row] | None:
    """None if they are too many for a frame."""
    changed = Message.objects.filter(conversation=conversation, revision__gt=since).order_by("pk")
    rows: list[_Row] = []
    chars = 0
    for row in _with_text(changed[: PAGE_MESSAGES + 1]).iterator(chunk_size=20):
        rows.append(row)
        chars += _size(row)
        if len(rows) > PAGE_MESSAGES or (chars > PAGE_CHARS and len(rows) > 1):
            return None
    return rows


def conversation_changed(
    conversation: Conversation,
    messages: list[MessageData],
    *,
    removed: Iterable[int] = (),
    complete: bool | None = None,
    older: bool | None = None,
    people: list[Here] | None = None,
    told: bool = False,
) -> ConversationChanged:
    """`people`: those of the conversation, if somebody has asked for them already; `told`: with what models are told
    beside the messages."""
    return ConversationChanged(
        conversation=str(conversation.pk),
        revision=conversation.revision,
        title=str(conversation),
        reply_policy=conversation.reply_policy,
        participants=[here.person for here in (everybody(conversation.pk) if people is None else people)],
        messages=messages,
        removed=list(removed),
        complete=complete,
        older=older,
        told=_told(conversation) if told else None,
    )


def _told(conversation: Conversation) -> ToldData:
    found = summaries.newest_valid(conversation.pk)
    summary: SummaryData | None = None
    if found is not None:
        summary = {"through": found.through_message_id, "text": found.text, "model": found.model}
    return {"system_prompt": conversation.system_prompt, "summary": summary}


_COLUMNS: Final = (
    "pk", "role", "author_id", "author__first_name", "author__last_name", "author__username", "state", "model", "shown",
    "created_at", "edited_at", "ended", "revision", "parent_id", "first_version_id", "client_message_id",
    "generation_id",
    "generation__status", "generation__model", "generation__finish_reason", "generation__error_code",
    "generation__error_message", "generation__error_retryable", "generation__input_tokens", "generation__output_tokens",
    "generation__cached_tokens", "generation__requested_at", "generation__admitted_at", "generation__first_text_at",
    "generation__finished_at", "generation__blocks",
)  # fmt: skip


def _with_text(rows: QuerySet[Message]) -> QuerySet[Message, dict[str, Any]]:
    # The text of an answer stands on its generation. While that runs, its checkpoint is neither read nor shown: the
    # stream has the whole text, with a position to go on from.
    hidden = When(shown=False, then=Value(""))
    ended = When(generation__status__in=TERMINAL, then=F("generation__text"))
    running = When(generation__isnull=False, then=Value(""))
    text = Case(hidden, ended, running, default=Coalesce(F("text"), Value("")), output_field=CharField())
    values: QuerySet[Message, dict[str, Any]] = rows.annotate(whole_text=text).values(*_COLUMNS, "whole_text")
    return values


def _messages_data(rows: list[_Row]) -> list[MessageData]:
    versions = _versions({row["first_version_id"] for row in rows} - {None})
    return [_message_data(row, versions.get(row["first_version_id"], [])) for row in rows]


def _versions(firsts: set[int]) -> dict[int | None, list[int]]:
    """By their first one, all versions of messages that have several."""
    versions: dict[int | None, list[int]] = {}
    if firsts:  # few have any
        rows = Message.objects.filter(first_version__in=firsts).order_by("pk")
        for first, pk in rows.values_list("first_version_id", "pk"):
            versions.setdefault(first, []).append(pk)
    return versions


def _message_data(row: _Row, siblings: list[int]) -> MessageData:
    return {
        "id": row["pk"],
        "role": row["role"],
        "author": _author(row),
        "text": row["whole_text"],
        "html": _html(row),
        "state": row["state"],
        "model": row["generation__model"] or row["model"],
        "created_at": moment(row["created_at"]),
        "edited_at": moment(row["edited_at"]) if row["edited_at"] else None,
        "ended": row["ended"],
        "revision": row["revision"],
        "parent": row["parent_id"],
        "siblings": siblings,
        "client_message_id": row["client_message_id"],
        "generation": _generation_data(row),
    }


def _html(row: _Row) -> str | None:
    """Only of an answer that has ended: that of a running one is the stream's affair."""
    if row["generation__status"] not in TERMINAL or not row["whole_text"]:
        return None
    return answer_html(row["whole_text"], row["generation__blocks"])


def _author(row: _Row) -> PersonData | None:
    if row["author_id"] is None:
        return None
    name = person_name(row["author__first_name"], row["author__last_name"], row["author__username"])
    return {"id": row["author_id"], "name": name}


def _generation_data(row: _Row) -> GenerationData | None:
    if row["generation_id"] is None:
        return None
    moments = (row[f"generation__{moment}_at"] for moment in ("requested", "admitted", "first_text", "finished"))
    times = answer_times(*moments)
    return {
        "id": str(row["generation_id"]),
        "status": row["generation__status"],
        "model": row["generation__model"],
        "reason": row["generation__finish_reason"],
        "code": row["generation__error_code"],
        "message": row["generation__error_message"],
        "retryable": row["generation__error_retryable"],
        "input_tokens": row["generation__input_tokens"],
        "output_tokens": row["generation__output_tokens"],
        "cached_tokens": row["generation__cached_tokens"],
        "waited_ms": times.waited_ms,
        "first_text_ms": times.first_text_ms,
        "duration_ms": times.duration_ms,
    }


def moment(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, as every time on the wire."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    return moment(datetime.now(UTC))
