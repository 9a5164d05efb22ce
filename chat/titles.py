"""What a conversation is called: by a person; else by a small model, once its first answer has ended; until then by the
first words of its first question. Nobody's title is ever overwritten by somebody lower in this order.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.conf import settings

from chat import changes
from chat.command_fields import Wrong, read_text
from chat.models import Conversation, Errand, Message
from chat.names import clean_line, shortened
from streaming import services as streaming
from streaming.errors import Refused
from streaming.hooks import AfterEnd
from streaming.models import Generation
from streaming.prompt import Prompt, PromptMessage
from streaming.states import Status
from streaming.tokens import estimate_tokens

TITLE_MAX_CHARS: Final = 120
WORDS_CHARS: Final = 60
#: Of the question and of its answer; more does not make a better title.
READ_CHARS: Final = 2000
MAX_TOKENS: Final = 64
#: The demo model knows it by its beginning.
SYSTEM: Final = (
    "Write a title for the conversation that follows: at most six words, in the language of the question, without "
    "quotation marks and full stop. Do not answer the question. Write nothing but the title."
)
TitleBy = Conversation.TitleBy


def read_title(text: str) -> str:
    """A title that a person wrote; empty: none. Raises Refused."""
    try:
        line = clean_line(read_text(text))
    except Wrong as wrong:
        raise Refused(f"That title {wrong.reason}.", code=wrong.code) from None
    if len(line) > TITLE_MAX_CHARS:
        raise Refused(f"A title has at most {TITLE_MAX_CHARS} characters.", code="bad_field")
    return line


def name_after(conversation: Conversation, question: str) -> None:
    """A conversation without a title gets the first words of a question."""
    if not conversation.title and (words := shortened(clean_line(question), WORDS_CHARS)):
        _set(conversation, words, TitleBy.WORDS)


def ask_if_due(conversation: Conversation, answer: Message) -> list[str]:
    """After the end of an answer, in its transaction: the generation that finds a title, if nobody better has. It
    passes lane, budget and ledger like any other, for whoever asked; who may ask nothing now keeps the first words."""
    if conversation.title_by != TitleBy.WORDS or not (model := _model(answer)):
        return []
    if conversation.deleted_at is not None or conversation.errands.filter(kind=Errand.Kind.TITLE).exists():
        return []
    author = answer.parent.author_id if answer.parent else None
    if author is None or answer.generation is None or answer.generation.status != Status.COMPLETED:
        return []
    estimate = estimate_tokens(SYSTEM + _asked(conversation.pk)) if model else 0
    try:
        request = streaming.request_generation(user_id=author, model=model, input_estimate=estimate)
    except Refused:
        return []
    Errand.objects.create(generation=request, conversation=conversation, kind=Errand.Kind.TITLE)
    return [str(request.pk)]


def build_prompt(conversation_id: UUID) -> Prompt:
    """What the model is told that finds a title."""
    text = _asked(conversation_id)
    if not text:
        raise Refused("The question of this answer was deleted.", code="question_gone")
    return Prompt(messages=(PromptMessage(role="user", text=text),), system=SYSTEM, max_tokens=MAX_TOKENS)


def found(conversation_id: UUID, generation: Generation) -> AfterEnd:
    """The generation that was to find a title has ended, in its transaction."""
    conversation = changes.lock(conversation_id, deleted=True)
    title = _tidy(generation.text)
    if generation.status != Status.COMPLETED or not title or conversation.title_by != TitleBy.WORDS:
        return AfterEnd()
    _set(conversation, title, TitleBy.MODEL)
    changes.next_revision(conversation, news=False)
    return changes.changed(conversation)


def _model(answer: Message) -> str:
    """The model that finds titles; empty: none."""
    chosen = str(getattr(settings, "TITLE_MODEL", ""))
    return "" if chosen == "off" else chosen or answer.model


def _asked(conversation_id: UUID) -> str:
    rows = Message.objects.filter(conversation_id=conversation_id, state=Message.State.SENT, shown=True).order_by("pk")
    question = rows.filter(role=Message.Role.USER).values_list("text", flat=True).first()
    if question is None:
        return ""
    answers: Any = rows.filter(generation__status=Status.COMPLETED).values_list("generation__text", flat=True)
    return f"Question:\n{question[:READ_CHARS]}\n\nAnswer:\n{(answers.first() or '')[:READ_CHARS]}"


def _tidy(text: str) -> str:
    """Models like to wrap what they write."""
    lines = [line for line in map(clean_line, text.split("\n")) if line]
    if not lines:
        return ""
    line = lines[0].removeprefix("Title:").strip(" \"'“”„«»`*_#")
    return shortened(line.rstrip(".。"), WORDS_CHARS)


def _set(conversation: Conversation, title: str, by: str) -> None:
    conversation.title, conversation.title_by = title, by
    conversation.save(update_fields=["title", "title_by"])
