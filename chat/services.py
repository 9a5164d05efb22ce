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
from django.utils import timezone

from chat import changes, mentions, prompts, titles
from chat.access import (
    Forbidden,
    NotFound,
    Role,
    User,
    access_conversation,
    access_generation,
    access_message,
    id_of,
)
from chat.command_fields import Wrong, read_message_text
from chat.models import Conversation, Message
from streaming import services as streaming
from streaming.errors import Refused
from streaming.hooks import AfterEnd
from streaming.prepared import prepared
from streaming.states import LIVE

#: Questions that may wait behind a running answer, per conversation.
PENDING_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Sent:
    """`generation` is the id of the answer's stream; None while the message waits behind a running answer."""

    message: int
    generation: str | None
    after: AfterEnd = field(default_factory=AfterEnd)


@dataclass(frozen=True, slots=True)
class Retried:
    generation: str
    after: AfterEnd


def send_message(
    user: User, conversation_id: UUID, *, client_message_id: str, text: str, model: str | None = None
) -> Sent:
    """Write a question and ask for its answer: question, empty answer and generation in one transaction. Where models
    are to answer less than everything (`wants_answer`) it may be just a message.

    Repeating it with the same `client_message_id` writes nothing and returns the same. Raises Refused.
    """
    _check_text(text)
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
    written = Message.objects.filter(conversation_id=conversation_id)
    return streaming.choose_model(model, text, written.count)


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
    access_conversation(user, conversation_id, Role.MEMBER)
    conversation = changes.lock(conversation_id)
    if sent_before := _sent_before(id_of(user), str(question.client_message_id)):
        return _same_again(conversation, sent_before[0])
    is_asked = wants_answer(conversation.reply_policy, question.text)
    if is_asked:
        question.model = choose_model(conversation.pk, question.text, called_model(question.text, question.model))
    if is_asked and len(_pending(conversation.pk)) >= PENDING_MAX:
        raise Refused(
            f"{PENDING_MAX} messages already wait for the answer to end. Send this one after it.",
            code="too_many",
            retryable=True,
        )
    titles.name_after(conversation, question.text)
    changes.next_revision(conversation, by=id_of(user))
    # A question always begins as a waiting one; if nothing runs, its turn is now.
    state = Message.State.PENDING if is_asked else Message.State.SENT
    question.pk, question.conversation, question.state = None, conversation, state
    changed = {changes.stamp(question, conversation)}
    started = _answer_next(conversation, changed, new=question) if is_asked else None
    own = started if started and question.state == Message.State.SENT else None
    return Sent(question.pk, own, changes.changed(conversation, changed, [started] if started else []))


def _same_again(conversation: Conversation, question: Message) -> Sent:
    if question.conversation_id != conversation.pk:
        raise Refused("This message was sent in another conversation already.", code="conflict")
    first = question.children.order_by("pk").values_list("generation_id", flat=True).first()
    return Sent(question.pk, str(first) if first else None)


def _check_text(text: str) -> None:
    try:
        read_message_text(text)
    except Wrong as wrong:
        raise Refused(f"{wrong.reason}.", code=wrong.code) from None


@transaction.atomic
def edit_message(user: User, message_id: int, text: str) -> AfterEnd:
    """Change the text of one's own question. Raises Refused."""
    _check_text(text)
    message = access_message(user, message_id, Role.MEMBER)
    if message.author_id != id_of(user):
        raise Forbidden("Only its author can change a message.")
    conversation = changes.lock(message.conversation_id)
    message.refresh_from_db()  # its turn may have come since it was read
    changes.next_revision(conversation, by=id_of(user))
    message.text, message.edited_at = text, timezone.now()
    return changes.changed(conversation, [changes.stamp(message, conversation)])


@transaction.atomic
def model_of_reply(user: User, generation_id: UUID) -> str:
    """The model that another try would ask. Raises NotFound."""
    return access_generation(user, generation_id, Role.MEMBER).model


def retry_reply(user: User, generation_id: UUID) -> Retried:
    """Ask the question of a finished answer again: a new answer beside it. Raises Refused."""
    answer = access_generation(user, generation_id, Role.MEMBER)
    conversation = changes.lock(answer.conversation_id)
    if answer.parent is None:
        raise NotFound("The question of this answer is gone.")
    if _running(conversation.pk):
        raise Refused(
            "An answer is still being written here. Wait until it ends, or stop it.", code="busy", retryable=True
        )
    changes.next_revision(conversation, by=id_of(user))
    estimate = prompts.estimate_input(conversation.pk, answer.parent.text)
    request = streaming.request_generation(user_id=id_of(user), model=answer.model, input_estimate=estimate)
    new = _reply(conversation, answer.parent, answer.model, request.pk)
    start = str(request.pk)
    return Retried(start, changes.changed(conversation, [new], [start]))


def generation_ended(generation_id: str) -> AfterEnd | None:
    """Inside the transaction that ends a generation: tell all, and let the next question begin. None: no answer's."""
    answers = _answers(UUID(generation_id))
    if not answers:
        return None
    answer = answers[0]
    conversation = changes.lock(answer.conversation_id, deleted=True)
    changes.next_revision(conversation)
    changed = {changes.stamp(answer, conversation)}
    started = _answer_next(conversation, changed)
    title = titles.ask_if_due(conversation, answer)
    return changes.changed(conversation, changed, [*([started] if started else []), *title])


def _answer_next(conversation: Conversation, changed: set[int], new: Message | None = None) -> str | None:
    """If nothing runs, the oldest waiting question gets its answer: returns the generation to start."""
    waiting = [] if _running(conversation.pk) else _pending(conversation.pk)
    if not waiting or (author := waiting[0].author_id) is None:
        return None
    question = waiting[0]
    # A question that waited was accepted when it was sent: limits and choices of today do not concern it.
    waited = question != new
    question = question if waited or new is None else new
    request = streaming.request_generation(
        user_id=author,
        model=question.model,
        accepted_before=waited,
        input_estimate=prompts.estimate_input(conversation.pk, question.text),
    )
    question.state = Message.State.SENT
    changed.add(changes.stamp(question, conversation))
    changed.add(_reply(conversation, question, question.model, request.pk))
    return str(request.pk)


def _reply(conversation: Conversation, question: Message, model: str, generation_id: UUID) -> int:
    reply = Message(conversation=conversation, parent=question, role=Message.Role.ASSISTANT, model=model)
    reply.generation_id = generation_id
    return changes.stamp(reply, conversation)


@prepared
def _sent_before(author_id: int, client_message_id: str) -> QuerySet[Message]:
    return Message.objects.filter(author_id=author_id, client_message_id=client_message_id).order_by()


@prepared
def _answers(generation_id: UUID) -> QuerySet[Message]:
    return Message.objects.filter(generation_id=generation_id).order_by()


@prepared
def _running(conversation_id: UUID) -> QuerySet[Message, int]:
    """Any row: an answer is on its way."""
    running = Message.objects.filter(conversation_id=conversation_id, generation__status__in=LIVE)
    return running.order_by().values_list("pk", flat=True)[:1]


@prepared
def _pending(conversation_id: UUID) -> QuerySet[Message]:
    """The waiting questions, the oldest first. Whoever deleted their account waits for nothing any more."""
    waiting = Message.objects.filter(conversation_id=conversation_id, state=Message.State.PENDING)
    return waiting.filter(author__isnull=False).order_by("pk")
