"""The summaries that stand for the beginning of a conversation, and whether they still tell the truth."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db.models import Case, Count, F, Max, QuerySet, When

from chat.models import Message, Summary

#: The question that a message is or answers: along a path they grow.
_TURN: Final = Case(When(role=Message.Role.ASSISTANT, then=F("parent_id")), default=F("pk"))


def newest_valid(conversation_id: UUID, *, before: int | None = None) -> Summary | None:
    """The one that covers most of what is shown; `before`: of those that end before that turn."""
    made = Summary.objects.filter(conversation_id=conversation_id, made_at__isnull=False, through_message__shown=True)
    if before is not None:
        made = made.filter(through_turn__lt=before)
    return next((summary for summary in made.order_by("-through_turn", "-pk") if _is_true(summary)), None)


def covered(conversation_id: UUID, through_turn: int) -> dict[str, Any]:
    """How many messages are shown up to that turn, and when one of them was last edited."""
    return dict(_shown(conversation_id, through_turn).aggregate(messages=Count("pk"), edited_at=Max("edited_at")))


def _is_true(summary: Summary) -> bool:
    """Whether exactly that was said there: nothing came, went or was changed since it was asked for."""
    now = covered(summary.conversation_id, summary.through_turn)
    return now["messages"] == summary.messages and (now["edited_at"] or summary.asked_at) <= summary.asked_at


def _shown(conversation_id: UUID, through_turn: int) -> QuerySet[Message]:
    sent = Message.objects.filter(conversation_id=conversation_id, shown=True, state=Message.State.SENT)
    return sent.order_by().annotate(turn=_TURN).filter(turn__lte=through_turn)
