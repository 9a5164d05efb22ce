"""Searching titles and messages of one's own conversations.

PostgreSQL finds words by their beginnings, through an index; SQLite looks for the letters in every message. Either way
the time is bounded, and what people type is only ever a value.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.urls import reverse

from chat.access import User, id_of
from chat.excerpts import Piece, excerpt
from chat.models import Conversation, Message
from chat.selectors import moment, person_name
from streaming.errors import Refused
from streaming.states import TERMINAL

QUERY_MAX_CHARS: Final = 200
WORDS_MAX: Final = 8
TITLES_MAX: Final = 8
MESSAGES_MAX: Final = 30
DEADLINE_S: Final = 2.0
#: Steps of SQLite's machine between two looks at the clock.
STEPS: Final = 20_000

_WORD: Final = re.compile(r"[^\W_]+")  # PostgreSQL takes an underscore for a space
# Scripts that put no spaces between words: PostgreSQL's parser takes a whole sentence for one word.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003134f]"
)
# As in the indexes of the migration: a longer text would not fit an index's limit of 1 MB.
_VECTOR: Final = "to_tsvector('simple', left({column}, 100000)) @@ to_tsquery('simple', %s)"


@dataclass(frozen=True, slots=True)
class Hit:
    """A conversation (`message` is None) or a message of one. `by` is empty for a model whose name is not known."""

    conversation: UUID
    title: str
    message: int | None
    by: str
    at: datetime
    excerpt: list[Piece]

    @property
    def address(self) -> str:
        page = reverse("conversation", args=[self.conversation])
        return page if self.message is None else f"{page}?at={self.message}#message-{self.message}"

    def data(self) -> dict[str, Any]:
        fields = asdict(self) | {"conversation": str(self.conversation), "at": moment(self.at)}
        return fields | {"address": self.address}


def search(user: User, query: str) -> list[Hit]:
    """Conversations by their titles, then messages, the newest first. Nothing for nothing; raises Refused."""
    if "\0" in query or len(query) > QUERY_MAX_CHARS:
        raise Refused(f"A search has at most {QUERY_MAX_CHARS} characters.", code="bad_field")
    words = query.split()[:WORDS_MAX]
    if not words:
        return []
    mine = Conversation.objects.filter(participants__user_id=id_of(user), deleted_at__isnull=True)
    marks = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))), re.IGNORECASE)
    try:
        with _deadline():
            return [*_titles(mine, words, marks), *_messages(mine, words, marks)]
    except OperationalError as error:
        if not _is_late(error):
            raise
    raise Refused("This search takes too long. Try a longer or rarer word.", code="too_slow", retryable=True)


def _titles(mine: QuerySet[Conversation], words: list[str], marks: re.Pattern[str]) -> list[Hit]:
    for word in words:
        mine = mine.filter(title__icontains=word)
    found = mine.order_by("-changed_at")[:TITLES_MAX]
    return [Hit(row.pk, str(row), None, "", row.changed_at, excerpt(str(row), marks)) for row in found]


def _messages(mine: QuerySet[Conversation], words: list[str], marks: re.Pattern[str]) -> list[Hit]:
    shown = Message.objects.filter(shown=True).exclude(state=Message.State.DROPPED)
    written = shown.filter(conversation__in=mine.order_by().values("pk")).order_by("-pk")
    answers = written.filter(generation__status__in=TERMINAL)
    others = written.filter(generation__isnull=True)
    found = [
        *_shown(_that_say(others, "text", "chat_message.text", words)),
        *_shown(_that_say(answers, "generation__text", "streaming_generation.text", words)),
    ]
    found.sort(key=lambda row: row["pk"], reverse=True)
    return [_hit(row, marks) for row in found[:MESSAGES_MAX]]


def _that_say(rows: QuerySet[Message], field: str, column: str, words: list[str]) -> QuerySet[Message]:
    if connection.vendor == "postgresql" and not any(map(_is_odd, words)):
        return rows.extra(where=[_VECTOR.format(column=column)], params=[" & ".join(map(_term, words))])
    wanted = Q()
    for word in words:
        wanted &= Q(**{f"{field}__icontains": word})
    return rows.filter(wanted)


def _term(word: str) -> str:
    """A word by the beginnings of its parts, or as the parser took it when the text was indexed: to that, 3.14 and
    example.org/page are single words."""
    parts = _WORD.findall(word)  # of letters and digits alone: nothing to escape
    whole = word.replace("\\", "\\\\").replace("'", "''")
    by_parts = " & ".join(f"'{part}':*" for part in parts)
    return by_parts if parts == [word] else f"({by_parts} | '{whole}':*)"


def _is_odd(word: str) -> bool:
    return not _WORD.search(word) or bool(_UNSPACED.search(word))


def _shown(rows: QuerySet[Message]) -> QuerySet[Message, dict[str, Any]]:
    names = ("author__username", "author__first_name", "author__last_name", "model")
    values: QuerySet[Message, dict[str, Any]] = rows.annotate(shown_text=Coalesce("generation__text", "text")).values(
        "pk", "role", "conversation_id", "conversation__title", "created_at", "shown_text", *names
    )[:MESSAGES_MAX]
    return values


def _hit(row: dict[str, Any], marks: re.Pattern[str]) -> Hit:
    username = row["author__username"]
    name = username and person_name(row["author__first_name"], row["author__last_name"], username)
    title = str(Conversation(title=row["conversation__title"]))
    said = excerpt(row["shown_text"], marks, is_markdown=row["role"] == Message.Role.ASSISTANT)
    return Hit(row["conversation_id"], title, row["pk"], name or row["model"], row["created_at"], said)


@contextmanager
def _deadline() -> Iterator[None]:
    """Whatever is asked of the database within it ends in time, or with an OperationalError."""
    if connection.vendor == "postgresql":
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(int(DEADLINE_S * 1000))])
            yield
        return
    connection.ensure_connection()
    raw, until = connection.connection, time.monotonic() + DEADLINE_S
    raw.set_progress_handler(lambda: time.monotonic() > until, STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def _is_late(error: OperationalError) -> bool:
    return "interrupted" in str(error) or "statement timeout" in str(error)
