"""What was said before a question, as a model is told it: along the path that leads there, whatever is shown by now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from chat.models import Message
from chat.selectors import person_name
from streaming.prepared import prepared
from streaming.prompt import PromptMessage
from streaming.tokens import estimate_tokens

#: Messages that are read at once.
PAGE_ROWS: Final = 20
NAMES: Final = ("author__first_name", "author__last_name", "author__username")
_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """A question with its answer, if that has text. `last` is the newer one's message."""

    question_id: int
    last: int
    question: PromptMessage
    answer: PromptMessage | None

    @property
    def tokens(self) -> int:
        return estimate_tokens(*(message.text for message in self.messages))

    @property
    def messages(self) -> tuple[PromptMessage, ...]:
        return (self.question, self.answer) if self.answer else (self.question,)


def turns_up_to(conversation: UUID, message: int | None, several: bool) -> Iterator[Turn]:
    """From new to old, read as they are needed: the caller stops when it has enough. `several`: with their authors'
    names."""
    rows = _Ancestors(conversation)
    answer, last = None, message
    while message is not None and (row := rows.take(message)) is not None:
        if row["role"] == Message.Role.ASSISTANT:
            text = row["text"] if row["generation__text"] is None else row["generation__text"]
            answer = PromptMessage(role="assistant", text=text) if text.strip() else None
        else:
            assert last is not None
            yield Turn(row["pk"], last, asked(row["text"], name_of(row) if several else None), answer)
            answer, last = None, row["parent_id"]
        message = row["parent_id"]


class _Ancestors:
    """Rows by their ids, which are asked for from new to old: mostly those of the shown path, which come in pages."""

    def __init__(self, conversation: UUID) -> None:
        self._conversation = conversation
        self._read: dict[int, _Row] = {}

    def take(self, pk: int) -> _Row | None:
        if pk not in self._read:
            self._read |= {row["pk"]: row for row in _page(self._conversation, pk, pk)}
        return self._read.pop(pk, None)


@prepared
def _page(conversation_id: UUID, newest: int, itself: int) -> QuerySet[Message, _Row]:
    """The message `itself`, shown or not, and the newest shown ones before it."""
    rows = Message.objects.filter(Q(shown=True) | Q(pk=itself), conversation_id=conversation_id, pk__lte=newest)
    columns = ("pk", "parent_id", "role", "text", "generation__text", *NAMES)
    values: QuerySet[Message, _Row] = rows.order_by("-pk").values(*columns)[:PAGE_ROWS]
    return values


def asked(text: str, author: str | None) -> PromptMessage:
    return PromptMessage(role="user", text=text if author is None else f"{author}: {text}")


def name_of(row: _Row, prefix: str = "") -> str:
    """The author's name on one line: a name cannot pretend to be another message."""
    first, last, username = (row[prefix + name] for name in NAMES)
    return "Somebody" if username is None else " ".join(person_name(first, last, username).split())
