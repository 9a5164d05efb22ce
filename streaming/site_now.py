"""What the site is like just now, for administrators: rows tell what must be, Redis what is. Sync; a page costs a few
queries and round trips, however much goes on. Without Redis the rows are shown alone."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone
from redis import RedisError
from redis.asyncio import Redis

from streaming import lane_rows, lanes, providers, redis_client, web_now
from streaming.events import Position
from streaming.lane_snapshot import Levels
from streaming.lane_store import LaneStore
from streaming.lane_values import LaneLost
from streaming.models import Generation, Lane
from streaming.replay_log import ReplayLog
from streaming.states import LIVE, RUNNING, Status
from streaming.web_now import Viewers
from streaming.workers_now import WorkerNow, workers_now

AWAY: Final = (RedisError, OSError)  # TimeoutError is an OSError
PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Tiles:
    """None: Redis cannot say it now."""

    running: int
    waiting: int
    oldest_wait_s: float | None
    workers: int | None = None
    workers_busy: int | None = None
    sockets: int | None = None
    tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class StreamNow:
    """A live answer. `first_text_s`: from accepted to its first text; `position`: the newest one that is known."""

    id: str
    status: str
    person: str
    user_id: int
    model: str
    lane: str
    worker: str
    attempt: int
    position: str
    age_s: float
    first_text_s: float | None
    stopping: bool
    viewers: Viewers


@dataclass(frozen=True, slots=True)
class Streams:
    rows: list[StreamNow]
    count: int


@dataclass(frozen=True, slots=True)
class LaneNow:
    """`title`: what people call it. `levels` None: the lane cannot be asked now (Redis is away, or it is being
    rebuilt)."""

    row: Lane
    title: str
    levels: Levels | None

    def used_percent(self, budget: str) -> int | None:
        """Of what may be asked at once; None: no such limit, or nobody can tell."""
        bucket = self.levels.buckets.get(budget) if self.levels else None
        if bucket is None or not bucket.cap:
            return None
        return round(100 * min(1.0, max(0.0, 1 - bucket.level / bucket.cap)))


def tiles() -> Tiles:
    found = Generation.objects.filter(status__in=LIVE).aggregate(
        running=Count("pk", filter=Q(status__in=RUNNING)),
        waiting=Count("pk", filter=Q(status=Status.QUEUED)),
        oldest=Min("requested_at", filter=Q(status=Status.QUEUED)),
    )
    rows = Tiles(found["running"], found["waiting"], _since_s(found["oldest"]))
    try:
        workers, webs = redis_client.ask(_processes)
    except AWAY:
        return rows
    return Tiles(
        *(rows.running, rows.waiting, rows.oldest_wait_s),
        workers=len(workers),
        workers_busy=sum(worker.runs > 0 for worker in workers),
        sockets=sum(web.sockets for web in webs),
        tokens_per_s=sum(worker.tokens_per_s for worker in workers),
    )


async def _processes(client: Redis) -> tuple[list[WorkerNow], list[web_now.WebNow]]:
    return await asyncio.gather(workers_now(client), web_now.webs_now(client))


def workers() -> list[WorkerNow] | None:
    """None: Redis is away."""
    try:
        return redis_client.ask(workers_now)
    except AWAY:
        return None


def live_answers(*, lane: str = "", user_id: int = 0, worker: str = "") -> QuerySet[Generation]:
    wanted = {"lane": lane, "user_id": user_id, "worker": worker}
    return Generation.objects.filter(status__in=LIVE, **{name: value for name, value in wanted.items() if value})


def streams(found: QuerySet[Generation], page: int = 0) -> Streams:
    """Those that were asked longest ago first."""
    columns = ("pk", "status", "user_id", "user__username", "model", "lane", "worker", "attempt", "position_attempt",
               "position_seq", "requested_at", "first_text_at", "stop_requested_at")  # fmt: skip
    rows = list(found.order_by("requested_at").values(*columns)[page * PAGE : (page + 1) * PAGE])
    positions, viewers = _of_streams([str(row["pk"]) for row in rows])
    return Streams([_stream(row, positions, viewers) for row in rows], found.count())


def _of_streams(ids: Sequence[str]) -> tuple[dict[str, str], dict[str, Viewers]]:
    async def both(client: Redis) -> tuple[dict[str, str], dict[str, Viewers]]:
        heads = await ReplayLog(client).heads(ids)
        positions = {one: str(head.last) for one, head in zip(ids, heads, strict=True) if head is not None}
        return positions, await web_now.viewers_now(client, await web_now.webs_now(client), ids)

    try:
        return redis_client.ask(both) if ids else ({}, {})
    except AWAY:
        return {}, {}


def _stream(row: dict[str, Any], positions: dict[str, str], viewers: dict[str, Viewers]) -> StreamNow:
    generation_id, first, asked = str(row["pk"]), row["first_text_at"], row["requested_at"]
    return StreamNow(
        id=generation_id,
        status=row["status"],
        person=row["user__username"],
        user_id=row["user_id"],
        model=row["model"],
        lane=row["lane"],
        worker=row["worker"],
        attempt=row["attempt"],
        position=positions.get(generation_id, f"{row['position_attempt']}-{row['position_seq']}"),
        age_s=_since_s(asked) or 0.0,
        first_text_s=(first - asked).total_seconds() if first else None,
        stopping=row["stop_requested_at"] is not None,
        viewers=viewers.get(generation_id, Viewers()),
    )


def lanes_now() -> list[LaneNow]:
    rows = lane_rows.settings_of(lanes.names())
    titles, levels = lane_titles(), _levels(list(rows))
    return [LaneNow(row, titles.get(name, name), levels.get(name)) for name, row in rows.items()]


def lane_titles() -> dict[str, str]:
    """Lanes by the labels of their models: a name is made for programs. Where two would read the same, both."""
    models: dict[str, list[str]] = {}
    for entry in providers.catalogue():
        models.setdefault(lanes.of(entry), []).append(entry.label)
    labels = {name: ", ".join(labels) for name, labels in models.items()}
    counts = Counter(labels.values())
    return {name: label if counts[label] == 1 else f"{label} ({name})" for name, label in labels.items()}


def _levels(names: Sequence[str]) -> dict[str, Levels]:
    async def one(client: Redis, name: str) -> Levels | None:
        try:
            return await LaneStore(client, name).levels()
        except LaneLost:
            return None

    async def all_of_them(client: Redis) -> list[Levels | None]:
        return await asyncio.gather(*(one(client, name) for name in names))

    try:
        found = zip(names, redis_client.ask(all_of_them), strict=True)
    except AWAY:
        return {}
    return {name: levels for name, levels in found if levels is not None}


def _since_s(moment: datetime | None) -> float | None:
    return None if moment is None else max(0.0, (timezone.now() - moment).total_seconds())


@dataclass(frozen=True, slots=True)
class TextNow:
    """What an answer's viewers see. `is_complete` False: what came since the last checkpoint is missing here, because
    Redis is away."""

    text: str
    status: str
    person: str
    model: str
    is_live: bool
    is_complete: bool = True


def text_of(generation_id: str) -> TextNow | None:
    """The row's text and what the log has beyond it. None: there is no such answer."""
    row = Generation.objects.select_related("user").filter(pk=generation_id).first()
    if row is None:
        return None
    text = TextNow(row.text, row.status, str(row.user), row.model, row.status in LIVE)
    if not text.is_live:
        return text
    after = Position(row.position_attempt, row.position_seq)
    try:
        read = redis_client.ask(lambda client: ReplayLog(client).read_after(generation_id, after))
    except AWAY:
        return replace(text, is_complete=False)
    return replace(
        text, text=row.text + "".join(json.loads(entry.frame)["text"] for entry in read.entries if entry.kind == "d")
    )
