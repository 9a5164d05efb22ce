"""What people do with messages and answers. Each function is one transaction of its own.

It returns, beside its result, what is to be done after the commit (`changes.carry_out`): the frame for everybody and
the generations to start. Rows first: whatever happens to that second part, nothing accepted is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from chat import answers, changes, memory, mentions, titles
from chat.access import Role, User, check_role, id_of
from chat.command_fields import Wrong, read_message_text
from chat.models import Conversation, Message
from streaming import services as streaming
from streaming.errors import Refused, Sentence
from streaming.hooks import AfterEnd
from streaming.prepared import prepared

MANY_WAIT: Final = "%(count)s messages already wait for the answer to end. Send this one after it."


@dataclass(frozen=True, slots=True)
class Sent:
    """`generation` is the id of the answer's stream; None while the message waits behind a running answer. `waits`: it
    was accepted just now, to wait like that."""

    message: int
    generation: str | None
    after: AfterEnd = field(default_factory=AfterEnd)
    waits: bool = False


def send_message(
    user: User, conversation_id: UUID, *, client_message_id: str, text: str, model: str | None = None
) -> Sent:
    """Write a question and ask for its answer: question, empty answer and generation in one transaction. Where models
    are to answer less than everything (`wants_answer`) it may be just a message.

    Repeating it with the same `client_message_id` writes nothing and returns the same. Raises Refused.
    """
    check_text(text)
    question = Message(
        author_id=id_of(user), role=Message.Role.USER, client_message_id=client_message_id, text=text, model=model or ""
    )
    try:
        return _send(user, conversation_id, question)
    except IntegrityError:
        # The same message arrived at the same time by another way; the unique constraint let one of them in.
        return _send(user, conversation_id, question)


def choose_model(conversation_id: UUID, text: str, model: str | None) -> str:
    """The model that will answer; "auto" looks at the question. Raises Refused."""

    def turns() -> int:
        return Message.objects.filter(conversation_id=conversation_id, shown=True).count()

    return streaming.choose_model(model, text, turns)


def model_for(user: User, conversation_id: UUID, text: str, model: str | None) -> str:
    """The same for somebody who may not even write there. Raises NotFound, Forbidden and Refused."""
    check_role(user, Role.MEMBER, conversation_id=conversation_id)
    return choose_model(conversation_id, text, model)


def wants_answer(policy: str, text: str) -> bool:
    """Whether a model answers a message where this is the reply policy."""
    if policy == Conversation.ReplyPolicy.MENTION:
        return bool(mentions.called(text, (choice.alias for choice in streaming.model_choices())))
    return policy == Conversation.ReplyPolicy.ALWAYS


def called_model(text: str, model: str | None) -> str | None:
    """The model that a message calls by name; else the one that was chosen for it."""
    names = mentions.called(text, (choice.alias for choice in streaming.model_choices()))
    return next((name for name in names if name != mentions.ASSISTANT), model)


def would_ask(user: User, conversation_id: UUID, client_message_id: str, text: str) -> bool:
    """Whether sending this asks a model something: it may be accepted already, or need no answer."""
    if was_sent(user, client_message_id):
        return False
    found = Conversation.objects.filter(pk=conversation_id).values_list("reply_policy", flat=True)
    return not found or wants_answer(found[0], text)


def was_sent(user: User, client_message_id: str) -> bool:
    """Whether a question is accepted already: then sending it again is answered like the first time."""
    return bool(_sent_before(id_of(user), client_message_id))


@transaction.atomic
def _send(user: User, conversation_id: UUID, question: Message) -> Sent:
    conversation = changes.lock_for(user, conversation_id, Role.MEMBER)
    if sent_before := _sent_before(id_of(user), str(question.client_message_id)):
        return _same_again(conversation, sent_before[0])
    is_asked = wants_answer(conversation.reply_policy, question.text)
    if is_asked:
        question.model = choose_model(conversation.pk, question.text, called_model(question.text, question.model))
    waiting = answers.pending(conversation.pk) if is_asked else []
    if len(waiting) >= answers.PENDING_MAX:
        raise Refused(
            [Sentence(MANY_WAIT, {"count": answers.PENDING_MAX})],
            code="too_many",
            retryable=True,
        )
    titles.name_after(conversation, question.text)
    changes.next_revision(conversation, by=id_of(user))
    question.pk, question.conversation = None, conversation
    runs = is_asked and answers.is_running(conversation.pk)
    if runs or waiting:
        return _wait(conversation, question, [] if runs else waiting)
    question.parent_id = answers.newest_of_path(conversation.pk)
    changes.stamp(question, conversation)
    if not is_asked:
        return Sent(question.pk, None, changes.changed(conversation, [question.pk]))
    answer = answers.begin(conversation, question, id_of(user), question.model)
    start = str(answer.generation_id)
    return Sent(question.pk, start, changes.changed(conversation, [question.pk, answer.pk], [start]))


def _wait(conversation: Conversation, question: Message, missed: list[Message]) -> Sent:
    """Behind the others. `missed`: nothing runs, and these should have had their turn; the first has it now."""
    question.state = Message.State.PENDING
    changes.stamp(question, conversation)
    begun, start = answers.begin_next(conversation, missed)
    return Sent(question.pk, None, changes.changed(conversation, {question.pk, *begun}, start), waits=True)


def _same_again(conversation: Conversation, question: Message) -> Sent:
    if question.conversation_id != conversation.pk:
        raise Refused("This message was sent in another conversation already.", code="conflict")
    written = question.children.filter(role=Message.Role.ASSISTANT)
    first = written.order_by("pk").values_list("generation_id", flat=True).first()
    return Sent(question.pk, str(first) if first else None)


def check_text(text: str) -> None:
    try:
        read_message_text(text)
    except Wrong as wrong:
        raise Refused(f"{wrong.reason}.", code=wrong.code) from None


def generation_ended(generation_id: str) -> AfterEnd | None:
    """Inside the transaction that ends a generation: tell all, and let the next question begin. None: no answer's."""
    written = _answers(UUID(generation_id))
    if not written:
        return None
    answer = written[0]
    conversation = changes.lock(answer.conversation_id, deleted=True)
    changes.next_revision(conversation)
    changed = {changes.stamp(answer, conversation)}
    start: list[str] = []
    if not answers.is_running(conversation.pk):
        begun, start = answers.begin_next(conversation, answers.pending(conversation.pk))
        changed |= begun
    return changes.changed(conversation, changed, [*start, *_errands(conversation, answer)])


def _errands(conversation: Conversation, answer: Message) -> list[str]:
    return [*titles.ask_if_due(conversation, answer), *memory.ask_if_due(conversation, answer)]


@prepared
def _sent_before(author_id: int, client_message_id: str) -> QuerySet[Message]:
    return Message.objects.filter(author_id=author_id, client_message_id=client_message_id).order_by()


@prepared
def _answers(generation_id: UUID) -> QuerySet[Message]:
    return Message.objects.filter(generation_id=generation_id).order_by()
