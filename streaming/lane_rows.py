"""What the rows say of a lane: its settings, its live generations, and how long it was at rest. All functions are sync;
call them through `database.call`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from streaming import hooks, lane_tickets, lanes
from streaming.lane_snapshot import Place
from streaming.lane_values import Request, Restored
from streaming.models import Attempt, Generation, Lane
from streaming.states import LIVE, RUNNING, TERMINAL

PAGE: Final = 1000
ATTEMPTS_LOOKED_AT: Final = 200
BLOCKED_MAX_CHARS: Final = 300
_COLUMNS: Final = (
    "pk",
    "status",
    "user_id",
    "input_estimate",
    "output_estimate",
    "lane_cost",
    "lane_tag",
    "lane_seq",
    "admission",
    "requested_at",
    "admitted_at",
)


class Seen(NamedTuple):
    """A generation that is not over. `resting`: until its next try is due, it asks for no place."""

    ticket: str
    running: bool
    resting: bool


def settings_of(names: Iterable[str]) -> dict[str, Lane]:
    """The lanes' rows; one that is seen for the first time begins with the site's settings."""
    wanted = list(names)
    found = Lane.objects.in_bulk(wanted)
    for name in wanted:
        if name not in found:
            found[name], _ = Lane.objects.get_or_create(name=name, defaults=asdict(lanes.configured(name)))
    return found


def remember_blocked(name: str, sentence: str) -> None:
    Lane.objects.filter(name=name).update(blocked_reason=sentence[:BLOCKED_MAX_CHARS])


def busy_lanes() -> list[str]:
    """The lanes of all live rows, also of models that are not on offer any more."""
    return list(Generation.objects.filter(status__in=LIVE).exclude(lane="").values_list("lane", flat=True).distinct())


def seen_page(lane: str, after: str | None = None) -> list[Seen]:
    """The next `PAGE` live rows of a lane, in the order of their ids: only what a look at all of them needs."""
    now = timezone.now()
    rows = _live_of(lane, after).values_list("pk", "status", "wait_until")[:PAGE]
    return [Seen(str(pk), status in RUNNING, until is not None and until > now) for pk, status, until in rows]


def live_page(lane: str, after: str | None = None) -> list[Restored]:
    """The next `PAGE` live rows of a lane, in the order of their ids, as the lane would keep them."""
    return _restored(_live_of(lane, after)[:PAGE])


def forgotten(generation_ids: Sequence[str], older_than_s: float) -> list[Restored]:
    """Those of them that are live and were accepted longer ago."""
    pks = [UUID(generation_id) for generation_id in generation_ids]
    before = timezone.now() - timedelta(seconds=older_than_s)
    return _restored(Generation.objects.filter(pk__in=pks, status__in=LIVE, requested_at__lte=before))


@transaction.atomic
def write_places(places: Iterable[tuple[str, Place]]) -> None:
    for generation_id, place in places:
        lane_tickets.write_place(generation_id, place)


def _live_of(lane: str, after: str | None) -> QuerySet[Generation]:
    rows = Generation.objects.filter(lane=lane, status__in=LIVE).order_by("pk")
    return rows.filter(pk__gt=UUID(after)) if after else rows


def _restored(rows: QuerySet[Generation]) -> list[Restored]:
    weights = _Weights()
    return [_one(row, weights[row["user_id"]]) for row in rows.values(*_COLUMNS)]


class _Weights(dict[int, float]):
    def __missing__(self, user_id: int) -> float:
        self[user_id] = weight = hooks.user_weight(user_id)
        return weight


def _one(row: dict[str, Any], weight: float) -> Restored:
    tokens_in, tokens_out = row["input_estimate"], row["output_estimate"]
    return Restored(
        request=Request(str(row["pk"]), str(row["user_id"]), tokens_in, tokens_out, row["lane_cost"], weight),
        running=row["status"] in RUNNING,
        place=None if row["lane_seq"] is None else Place(row["lane_tag"], row["lane_seq"]),
        admission=row["admission"],
        queued_ms=_ms(row["requested_at"]),
        admitted_ms=_ms(row["admitted_at"] or row["requested_at"]),
    )


def over(generation_ids: Sequence[str], since_s: float) -> list[str]:
    """Those of them that ended longer ago, or whose row is gone."""
    pks = [UUID(generation_id) for generation_id in generation_ids]
    limit = timezone.now() - timedelta(seconds=since_s)
    rows = Generation.objects.filter(pk__in=pks)
    kept = set(rows.exclude(status__in=TERMINAL, finished_at__lte=limit).values_list("pk", flat=True))
    return [str(pk) for pk in pks if pk not in kept]


def idle_s(lane: str) -> float:
    """How long nothing was asked of the lane's provider, at least: as far as the newest attempts of all lanes tell."""
    if Generation.objects.filter(lane=lane, status__in=RUNNING).exists():
        return 0.0
    newest = Attempt.objects.order_by("-pk").values_list("generation__lane", "started_at", "ended_at")
    looked_at = list(newest[:ATTEMPTS_LOOKED_AT])
    last = next((ended_at or started_at for name, started_at, ended_at in looked_at if name == lane), None)
    if last is None and len(looked_at) < ATTEMPTS_LOOKED_AT:
        return float("inf")
    last = last or looked_at[-1][1]
    return max(0.0, (timezone.now() - last).total_seconds())


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
