"""What people think of answers: each person one rating of each, which they can change and take back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Count, Q
from django.utils import timezone

from chat.access import NotFound, User, access_message, id_of
from chat.models import Message, Rating
from streaming.errors import Refused
from streaming.states import TERMINAL

GOOD: Final = "good"
BAD: Final = "bad"
#: Takes it back.
NONE: Final = ""


@dataclass(frozen=True, slots=True)
class Rated:
    good: int
    bad: int


def rate(user: User, conversation_id: UUID, message_id: int, rating: str) -> None:
    """Whoever may read an answer may rate it, once it has ended. Raises Refused."""
    if rating not in (GOOD, BAD, NONE):
        raise Refused("There is no such choice.", code="bad_field")
    message = access_message(user, message_id)
    if message.conversation_id != conversation_id:
        raise NotFound
    generation = message.generation
    if message.role != Message.Role.ASSISTANT or generation is None or generation.status not in TERMINAL:
        raise Refused("Only answers that have ended can be rated.", code="not_an_answer")
    if rating == NONE:
        Rating.objects.filter(message=message, user_id=id_of(user)).delete()
        return
    fields = {"model": generation.model, "is_good": rating == GOOD, "rated_at": timezone.now()}
    Rating.objects.update_or_create(message=message, user_id=id_of(user), defaults=fields)


def own_ratings(user: User, conversation_id: UUID) -> dict[int, str]:
    """What somebody said of the answers in a conversation, by message."""
    rows = Rating.objects.filter(user_id=id_of(user), message__conversation_id=conversation_id)
    return {pk: GOOD if is_good else BAD for pk, is_good in rows.values_list("message_id", "is_good") if pk}


def by_model(since: datetime, until: datetime) -> dict[str, Rated]:
    """How often answers were rated in a stretch of time; the model with the most ratings first."""
    rows = Rating.objects.filter(rated_at__gte=since, rated_at__lt=until).order_by()
    counts = rows.values("model").annotate(good=Count("pk", filter=Q(is_good=True)), count=Count("pk"))
    ordered = counts.order_by("-count", "model").values_list("model", "good", "count")
    return {model: Rated(good, count - good) for model, good, count in ordered}
