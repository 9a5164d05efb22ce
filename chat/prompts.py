"""From a conversation to a prompt: what a model is asked for one generation.

The prompt ends with the question that this generation answers, whatever was written after it. Its history is the path
that leads to that question, each earlier one with its answer; partial answers count, people have read them.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from chat import history
from chat.history import Turn
from chat.models import Message, Participant
from streaming import conf
from streaming.errors import Refused
from streaming.prepared import prepared
from streaming.prompt import Prompt
from streaming.tokens import BYTES_PER_TOKEN, estimate_tokens

DEFAULT_SYSTEM: Final = "You are a helpful assistant. Answer in the language of the question."
SEVERAL_PEOPLE: Final = (
    "Several people take part in this conversation. Each of their messages begins with its author's name and a colon. "
    "Do not begin your own answers in this way."
)

_Values = QuerySet[Message, dict[str, Any]]


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
    asked = history.asked(question["parent__text"], history.name_of(question, "parent__") if several else None)
    budget = conf.get().prompt_max_chars - len(system) - len(asked.text)
    turns: list[Turn] = []
    for turn in history.turns_up_to(conversation, question["parent__parent_id"], several):
        budget -= turn.chars
        if budget < 0:
            break
        turns.append(turn)
    before = [message for turn in reversed(turns) for message in turn.messages]
    return Prompt(messages=(*before, asked), system=system, cache_key=str(conversation))


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
    columns = ("parent__parent_id", "parent__text", *(f"parent__{name}" for name in history.NAMES))
    values: _Values = answers.values("conversation_id", "conversation__system_prompt", *columns)
    return values


@prepared
def _here(conversation_id: UUID) -> QuerySet[Participant, int]:
    return Participant.objects.filter(conversation_id=conversation_id).values_list("user_id", flat=True)


@prepared
def _wrote(conversation_id: UUID) -> QuerySet[Message, int | None]:
    wrote = Message.objects.filter(conversation_id=conversation_id, role=Message.Role.USER)
    return wrote.order_by().values_list("author_id", flat=True).distinct()
