"""From a conversation to a prompt: what a model is asked for one generation.

The prompt ends with the question that this generation answers, whatever was written after it. Its history is the path
that leads to that question, each earlier one with its answer; partial answers count, people have read them. What does
not fit its window is left out, or told as a summary (`memory`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from chat import history, summaries
from chat.history import Turn
from chat.models import Message, Participant, Summary
from streaming import conf
from streaming.errors import Refused
from streaming.prepared import prepared
from streaming.prompt import Prompt, PromptMessage
from streaming.tokens import estimate_tokens

DEFAULT_SYSTEM: Final = "You are a helpful assistant. Answer in the language of the question."
SEVERAL_PEOPLE: Final = (
    "Several people take part in this conversation. Each of their messages begins with its author's name and a colon. "
    "Do not begin your own answers in this way."
)

#: Of the window, `prompt_max_tokens`: from there on the older part of a history is summarised, and told as a summary.
SUMMARISED_AT: Final = 0.8
SUMMARY: Final = "Summary of the earlier part of this conversation, made by a model:\n\n{text}"

_Values = QuerySet[Message, dict[str, Any]]


def build_prompt(generation_id: str) -> Prompt:
    """The prompt of an answer's generation; system text and question always fit, older turns as far as they do.
    Raises Refused if there is nothing left to answer."""
    found = _question(UUID(generation_id))
    if not found:
        raise Refused("The question of this answer was deleted.", code="question_gone")
    question = found[0]
    conversation: UUID = question["conversation_id"]
    several = are_several(conversation)
    system = question["conversation__system_prompt"].strip() or DEFAULT_SYSTEM
    if several:
        system = f"{system}\n\n{SEVERAL_PEOPLE}"
    asked = history.asked(question["parent__text"], history.name_of(question, "parent__") if several else None)
    left = conf.get().prompt_max_tokens - estimate_tokens(system, asked.text)
    before = _Before(conversation, left, is_shown=question["parent__shown"])
    before.read(history.turns_up_to(conversation, question["parent__parent_id"], several))
    return Prompt(messages=(*before.messages, asked), system=system, cache_key=str(conversation))


class _Before:
    """What was said before a question, as far as it fits: word for word, and from some length on with a summary of the
    older part. `is_shown`: the question stands on the shown path, to which summaries belong."""

    def __init__(self, conversation: UUID, left: int, *, is_shown: bool) -> None:
        self._conversation, self._left, self._is_shown = conversation, left, is_shown
        self._turns: list[Turn] = []
        self._summary: Summary | None = None

    @property
    def messages(self) -> list[PromptMessage]:
        summary = [PromptMessage(role="user", text=SUMMARY.format(text=self._summary.text))] if self._summary else []
        return [*summary, *(message for turn in reversed(self._turns) for message in turn.messages)]

    def read(self, turns: Iterator[Turn]) -> None:
        """`turns` from new to old."""
        comes_near = self._left - summarised_at()
        for turn in turns:
            if self._is_shown and self._left - turn.tokens < comes_near and self._summary is None:
                self._find_summary()
            self._left -= turn.tokens
            if self._left < 0 or (self._summary and turn.question_id <= self._summary.through_turn):
                break
            self._turns.append(turn)

    def _find_summary(self) -> None:
        self._is_shown = False  # once is enough
        self._summary = summaries.newest_valid(self._conversation)
        if self._summary is None:
            return
        covered = [turn for turn in self._turns if turn.question_id <= self._summary.through_turn]
        self._turns = self._turns[: len(self._turns) - len(covered)]
        self._left += sum(turn.tokens for turn in covered) - estimate_tokens(self._summary.text)


def summarised_at() -> int:
    """Tokens of a history from which on its older part is summarised."""
    return round(SUMMARISED_AT * conf.get().prompt_max_tokens)


def are_several(conversation_id: UUID) -> bool:
    """Whether messages are told with their authors' names."""
    return len({*_here(conversation_id), *_wrote(conversation_id)}) > 1


def estimate_input(conversation_id: UUID, text: str) -> int:
    """Tokens of the prompt that a question would have now: those that the newest answer read and wrote, and its own.
    Without reading the history: that is done when it is asked."""
    known = _newest_use(conversation_id)
    before = sum(count or 0 for count in known[0]) if known else estimate_tokens(DEFAULT_SYSTEM)
    return min(before, conf.get().prompt_max_tokens) + estimate_tokens(text)


@prepared
def _newest_use(conversation_id: UUID) -> QuerySet[Message, tuple[int | None, int | None]]:
    answers = Message.objects.filter(conversation_id=conversation_id, generation__input_tokens__isnull=False)
    return answers.order_by("-pk").values_list("generation__input_tokens", "generation__output_tokens")[:1]


@prepared
def _question(generation_id: UUID) -> _Values:
    """The question that a generation answers; no row if it was deleted."""
    answers = Message.objects.filter(generation_id=generation_id, parent__isnull=False).order_by()
    columns = ("parent__parent_id", "parent__shown", "parent__text", *(f"parent__{name}" for name in history.NAMES))
    values: _Values = answers.values("conversation_id", "conversation__system_prompt", *columns)
    return values


@prepared
def _here(conversation_id: UUID) -> QuerySet[Participant, int]:
    return Participant.objects.filter(conversation_id=conversation_id).values_list("user_id", flat=True)


@prepared
def _wrote(conversation_id: UUID) -> QuerySet[Message, int | None]:
    wrote = Message.objects.filter(conversation_id=conversation_id, role=Message.Role.USER)
    return wrote.order_by().values_list("author_id", flat=True).distinct()
