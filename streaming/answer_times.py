"""How long an answer took, from the moments that its row keeps. Pure: the terminal event and later readers agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """All in milliseconds; None where nobody knows. `waited_ms` is the part of `first_text_ms` that passed before a
    worker began; an answer that was begun again after text has none that would say anything."""

    waited_ms: int | None
    first_text_ms: int | None
    duration_ms: int | None


def answer_times(
    requested_at: datetime, admitted_at: datetime | None, first_text_at: datetime | None, finished_at: datetime | None
) -> AnswerTimes:
    begun_again = admitted_at and first_text_at and admitted_at > first_text_at
    return AnswerTimes(
        waited_ms=None if begun_again else _milliseconds(requested_at, admitted_at),
        first_text_ms=_milliseconds(requested_at, first_text_at),
        duration_ms=_milliseconds(requested_at, finished_at),
    )


def _milliseconds(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else max(0, round((end - start).total_seconds() * 1000))
