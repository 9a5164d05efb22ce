"""From a stream's id to a stream, for programs: an answer in one of their person's conversations, or one of their own
requests. Like `chat.access`, asked anew each time; unknown and not theirs look the same."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from chat.access import NotFound, Role, access_generation
from chat.access import access_stream as access_answer
from chat.api.models import ApiKey, ApiRequest
from streaming.models import Generation


def access_stream(key: ApiKey, generation: UUID) -> UUID | None:
    """The stream's conversation; None if it has none. Raises NotFound."""
    try:
        return access_answer(key.user, generation)
    except NotFound:
        if not _own(key, generation).exists():
            raise
        return None


def access_row(key: ApiKey, generation: UUID) -> Generation:
    """Its row. Raises NotFound."""
    access_stream(key, generation)
    return Generation.objects.get(pk=generation)


def check_may_stop(key: ApiKey, generation: UUID) -> None:
    """Raises NotFound and Forbidden."""
    try:
        access_generation(key.user, generation, Role.MEMBER)
    except NotFound:
        if not _own(key, generation).exists():
            raise


def _own(key: ApiKey, generation: UUID) -> QuerySet[ApiRequest]:
    return ApiRequest.objects.filter(generation_id=generation, user_id=key.user_id, user__is_active=True)
