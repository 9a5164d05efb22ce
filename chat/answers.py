"""How a question gets its answer: the turn, the request to the engine, and the empty message that it will fill.

Everything here happens inside the transaction of a change, under the conversation's lock.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from chat import changes, prompts
from chat.models import Conversation, Message
from streaming import services as streaming
from streaming.errors import Refused
from streaming.prepared import prepared
from streaming.states import LIVE, Status

#: Questions that may wait behind a running answer, per conversation.
PENDING_MAX: Final = 5


class AuthorLeft(Refused):
    code = "author_left"
    message = "Whoever asked this left the conversation before it was answered."


def begin(conversation: Conversation, question: Message, user_id: int, model: str, *, waited: bool = False) -> Message:
    """The new answer to a question. One that `waited` was accepted when it was sent: limits and choices of today do not
    concern it. Raises Refused."""
    request = streaming.request_generation(
        user_id=user_id,
        model=model,
        accepted_before=waited,
        input_estimate=prompts.estimate_input(conversation.pk, question.text),
    )
    answer = Message(conversation=conversation, parent=question, role=Message.Role.ASSISTANT, model=model)
    answer.generation_id = request.pk
    changes.stamp(answer, conversation)
    return answer


def begin_next(conversation: Conversation, waiting: list[Message]) -> tuple[set[int], list[str]]:
    """The oldest waiting question has its turn: the messages that changed, and the generations to start."""
    if not waiting or (author := waiting[0].author_id) is None:
        return set(), []
    question = waiting[0]
    question.state, question.parent_id = Message.State.SENT, newest_of_path(conversation.pk)
    changes.stamp(question, conversation)
    answer = begin(conversation, question, author, question.model, waited=True)
    return {question.pk, answer.pk}, [str(answer.generation_id)]


def withdraw_of(author_id: int, conversation: Conversation) -> list[str]:
    """Who takes part no longer is answered and charged no more: what waits behind an answer goes as if they had
    withdrawn it, what waits for its model ends. What is being written goes on: others read it. Returns the generations
    that are to be told after the commit (`streaming.request_stop`)."""
    mine = Message.objects.filter(conversation=conversation, author_id=author_id, state=Message.State.PENDING)
    mine.update(state=Message.State.DROPPED, text="", shown=False, revision=conversation.revision)
    waiting = Message.objects.filter(conversation=conversation, role=Message.Role.ASSISTANT)
    waiting = waiting.filter(generation__user_id=author_id, generation__status=Status.QUEUED)
    return streaming.withdraw([pk for pk in waiting.values_list("generation_id", flat=True) if pk], AuthorLeft())


def check_idle(conversation_id: UUID) -> None:
    """Raises Refused (`busy`): what is being written now follows the shown path."""
    if is_running(conversation_id):
        words = "An answer is still being written here. Wait until it ends, or stop it."
        raise Refused(words, code="busy", retryable=True)


def is_running(conversation_id: UUID) -> bool:
    return bool(_running(conversation_id))


@prepared
def _running(conversation_id: UUID) -> QuerySet[Message, int]:
    running = Message.objects.filter(conversation_id=conversation_id, generation__status__in=LIVE)
    return running.order_by().values_list("pk", flat=True)[:1]


def newest_of_path(conversation_id: UUID) -> int | None:
    """The message that the next question follows."""
    found = _newest_of_path(conversation_id)
    return found[0] if found else None


@prepared
def _newest_of_path(conversation_id: UUID) -> QuerySet[Message, int]:
    path = Message.objects.filter(conversation_id=conversation_id, shown=True, state=Message.State.SENT)
    return path.order_by("-pk").values_list("pk", flat=True)[:1]


@prepared
def pending(conversation_id: UUID) -> QuerySet[Message]:
    """The waiting questions, the oldest first. Whoever deleted their account waits for nothing any more."""
    waiting = Message.objects.filter(conversation_id=conversation_id, state=Message.State.PENDING)
    return waiting.filter(author__isnull=False).order_by("pk")
