"""What a generation used, over all its attempts."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from streaming.models import Attempt
from streaming.prepared import prepared
from streaming.providers.base import Usage


def total_usage(generation_id: str, number: int, usage: Usage | None) -> dict[str, int | None]:
    """What all attempts used, this last one included, as far as it is known; unknown stays unknown, not zero."""
    columns = ("input_tokens", "output_tokens", "cached_tokens")
    spent: list[tuple[int | None, ...]] = [row[1:] for row in _spent(UUID(generation_id)) if row[0] != number]
    if usage is not None:
        spent.append(tuple(getattr(usage, column) for column in columns))
    known = [[count for count in counts if count is not None] for counts in zip(*spent, strict=True)]
    return {column: sum(counts) for column, counts in zip(columns, known, strict=False) if counts}


@prepared
def _spent(generation_id: UUID) -> QuerySet[Attempt, tuple[int, int | None, int | None, int | None]]:
    attempts = Attempt.objects.filter(generation_id=generation_id)
    return attempts.values_list("number", "input_tokens", "output_tokens", "cached_tokens")
