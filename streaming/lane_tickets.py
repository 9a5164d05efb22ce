"""What a generation's row says to its lane, and the place that the lane gave it. Sync, for `database.call`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from streaming import hooks
from streaming.lane_snapshot import Place
from streaming.lane_values import Request
from streaming.models import Generation
from streaming.prepared import Update, prepared, prepared_update
from streaming.states import Status

REMEMBERED_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """A waiting row as its lane takes it; `lane` is empty if it asks no provider. `place` None: it has none so far.
    `admission`: of its newest attempt, 0 if there was none."""

    lane: str
    request: Request
    place: Place | None
    admission: int


#: Rows that this process made and has not sent to their lanes yet: they need not be read again. One whose transaction
#: was rolled back is forgotten behind newer ones.
_made: Final[dict[str, Entry]] = {}


def remember(row: Generation) -> None:
    """Between the row's making and its way to the lane, which follows the commit."""
    while len(_made) >= REMEMBERED_MAX:
        _made.pop(next(iter(_made)), None)
    _made[str(row.pk)] = _entry(row)


def take_remembered(generation_id: str) -> Entry | None:
    return _made.pop(generation_id, None)


def entry_of(generation_id: str) -> Entry | None:
    """None: it does not wait (any more)."""
    rows = _waiting(UUID(generation_id))
    return _entry(rows[0]) if rows else None


def lane_of(generation_id: str) -> str:
    """Empty if it has none, or is gone."""
    return Generation.objects.filter(pk=generation_id).values_list("lane", flat=True).first() or ""


def first_place(user_id: int, lane: str) -> Place | None:
    """Where the first of a person's waiting questions stands; None: none has a place."""
    rows = Generation.objects.filter(user_id=user_id, status=Status.QUEUED, lane=lane, lane_tag__isnull=False)
    found = rows.order_by("lane_tag", "lane_seq").values_list("lane_tag", "lane_seq").first()
    return None if found is None else Place(found[0] or 0, found[1] or 0)


def request_of(row: Generation) -> Request:
    return Request(
        ticket=str(row.pk),
        user=str(row.user_id),
        input_tokens=row.input_estimate,
        output_tokens=row.output_estimate,
        cost=row.lane_cost,
        weight=hooks.user_weight(row.user_id),
    )


def write_place(generation_id: str, place: Place) -> None:
    """It has to wait: after a loss of Redis it comes back to here."""
    _write_place(UUID(generation_id), *place)


def asks_nobody(row: Generation) -> bool:
    """It needs no permission of a lane: it is only to be ended, or its model is not on offer any more."""
    return not row.lane or row.stop_requested_at is not None or row.deadline_at <= timezone.now()


def _entry(row: Generation) -> Entry:
    placed = row.lane_tag is not None and row.lane_seq is not None
    place = Place(row.lane_tag or 0, row.lane_seq or 0) if placed else None
    return Entry("" if asks_nobody(row) else row.lane, request_of(row), place, row.admission)


@prepared
def _waiting(pk: UUID) -> QuerySet[Generation]:
    return Generation.objects.filter(pk=pk, status=Status.QUEUED).order_by()


@prepared_update
def _write_place(pk: UUID, tag: int, seq: int) -> Update:
    return Generation.objects.filter(pk=pk, status=Status.QUEUED), {"lane_tag": tag, "lane_seq": seq}
