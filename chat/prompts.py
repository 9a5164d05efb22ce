"""From a conversation to a prompt: what a model is asked for one generation.

The prompt ends with the question that this generation answers, whatever was written after it. Its history is the
questions before that one, each with its newest answer that has text; partial answers count, people have read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from chat.models import Message, Participant
from chat.selectors import person_name
from streaming import conf
from streaming.errors import Refused
from streaming.prepared import prepared
from streaming.prompt import Prompt, PromptMessage
from streaming.tokens import BYTES_PER_TOKEN, estimate_tokens

DEFAULT_SYSTEM: Final = "You are a helpful assistant. Answer in the language of the question."
#: Messages of the history that are read at once.
PAGE_ROWS: Final = 20
_NAMES: Final = ("author__first_name", "author__last_name", "author__username")
SEVERAL_PEOPLE: Final = (
    "Several people take part in this conversation. Each of their messages begins with its author's name and a colon. "
    "Do not begin your own answers in this way."
)

_Values = QuerySet[Message, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Turn:
    question: PromptMessage
    answer: PromptMessage | None

    @property
    def chars(self) -> int:
        return len(self.question.text) + (len(self.answer.text) if self.answer else 0)

    @property
    def messages(self) -> tuple[PromptMessage, ...]:
        return (self.question, self.answer) if self.answer else (self.question,)


def build_prompt(generation_id: str) -> Prompt:
    """The prompt of an answer's generation; system text and question always fit, older turns as far as they do.
    Raises Refused if there is nothing left to answer."""
    found = _question(UUID(generation_id))
    if not found:
        raise Refused("The question of this answer was deleted.", code="question_gone")
    question = found[0]
    conversation: UUID = question["conversation_id"]
    several = len({*_here(conversation), *_wrote(conversation)}) > 1
    system = question["conversation__system_prompt"].strip() or DEFAULT_SYSTEM
    if several:
        system = f"{system}\n\n{SEVERAL_PEOPLE}"
    asked = _asked(question["parent__text"], _name(question, "parent__") if several else None)
    budget = conf.get().prompt_max_chars - len(system) - len(asked.text)
    turns: list[_Turn] = []
    for turn in _turns_before(conversation, question["parent_id"], several):
        budget -= turn.chars
        if budget < 0:
            break
        turns.append(turn)
    history = [message for turn in reversed(turns) for message in turn.messages]
    return Prompt(messages=(*history, asked), system=system)


def estimate_input(conversation_id: UUID, text: str) -> int:
    """Tokens of the prompt that a question would have now: those that the newest answer read and wrote, and its own.
    Without reading the history: that is done when it is asked."""
    known = _newest_use(conversation_id)
    before = sum(count or 0 for count in known[0]) if known else estimate_tokens(DEFAULT_SYSTEM)
    return min(before, conf.get().prompt_max_chars // BYTES_PER_TOKEN) + estimate_tokens(text)


@prepared
def _newest_use(conversation_id: UUID) -> QuerySet[Message, tuple[int | None, int | None]]:
    answers = Message.objects.filter(conversation_id=conversation_id, generation__input_tokens__isnull=False)
    return answers.order_by("-pk").values_list("generation__input_tokens", "generation__output_tokens")[:1]


@prepared
def _question(generation_id: UUID) -> _Values:
    """The question that a generation answers; no row if it was deleted."""
    answers = Message.objects.filter(generation_id=generation_id, parent__isnull=False).order_by()
    columns = ("parent_id", "parent__text", *(f"parent__{name}" for name in _NAMES))
    values: _Values = answers.values("conversation_id", "conversation__system_prompt", *columns)
    return values


@prepared
def _here(conversation_id: UUID) -> QuerySet[Participant, int]:
    return Participant.objects.filter(conversation_id=conversation_id).values_list("user_id", flat=True)


@prepared
def _wrote(conversation_id: UUID) -> QuerySet[Message, int | None]:
    wrote = Message.objects.filter(conversation_id=conversation_id, role=Message.Role.USER)
    return wrote.order_by().values_list("author_id", flat=True).distinct()


def _turns_before(conversation: UUID, question: int, several: bool) -> Iterator[_Turn]:
    """From new to old, read as they are needed: the caller stops when it has enough."""
    answers: list[str] = []
    for row in _rows_before(conversation, question):
        if row["role"] == Message.Role.ASSISTANT:
            answers.append(row["text"] if row["generation__text"] is None else row["generation__text"])
            continue
        text = next((text for text in answers if text.strip()), None)
        answers = []
        yield _Turn(
            _asked(row["text"], _name(row) if several else None),
            PromptMessage(role="assistant", text=text) if text is not None else None,
        )


def _rows_before(conversation: UUID, question: int) -> Iterator[dict[str, Any]]:
    page = _page(conversation, question, question, 0)
    while page:
        yield from page
        last = page[-1]
        page = _page(conversation, last["turn"], last["turn"], last["pk"]) if len(page) == PAGE_ROWS else []


@prepared
def _page(conversation_id: UUID, before_turn: int, in_turn: int, before: int) -> _Values:
    """Messages of the turns before `before_turn`, and those of the turn `in_turn` before message `before`."""
    rows = Message.objects.filter(conversation_id=conversation_id, state=Message.State.SENT)
    rows = rows.annotate(turn=Coalesce("parent_id", "id"))
    rows = rows.filter(Q(turn__lt=before_turn) | Q(turn=in_turn, pk__lt=before)).order_by("-turn", "-pk")
    values: _Values = rows.values("turn", "pk", "role", "text", "generation__text", *_NAMES)[:PAGE_ROWS]
    return values


def _asked(text: str, author: str | None) -> PromptMessage:
    return PromptMessage(role="user", text=text if author is None else f"{author}: {text}")


def _name(row: dict[str, Any], prefix: str = "") -> str:
    """The author's name on one line: a name cannot pretend to be another message."""
    first, last, username = (row[prefix + name] for name in _NAMES)
    return "Somebody" if username is None else " ".join(person_name(first, last, username).split())
