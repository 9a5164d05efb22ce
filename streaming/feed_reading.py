"""One read of a stream's row and log, and what each viewer gets out of it.

The row is read before the log, so the log is never behind the checkpoint it continues.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet
from redis import RedisError

from streaming import conf, database, lifecycle, redis_client
from streaming.answer_blocks import decode
from streaming.catch_up import Piece, before, chain, end_piece, merge, piece_of, reaches, snapshot_pieces
from streaming.events import START, Ended, Position, Queued, Snapshot, encode
from streaming.models import Generation
from streaming.prepared import prepared
from streaming.replay_log import ReplayLog
from streaming.states import LIVE, Status
from streaming.timeline import LogPart
from streaming.viewer import Plan, Viewer
from streaming.wait_feed import row_wait
from streaming.wait_teller import RowWait

log = logging.getLogger(__name__)


class Row(NamedTuple):
    """What a reader needs of a generation. `text` is None if it was not asked for; `end` is None while it is live;
    `queued` and `wait` are None unless it waits."""

    status: str
    model: str
    position: Position
    text: str | None
    end: Ended | None
    attempt: int = 0
    queued: Queued | None = None
    wait: RowWait | None = None
    #: As the row keeps them; empty if the text was not asked for.
    blocks: str = ""

    @property
    def text_position(self) -> Position:
        """Where a reader of the row's text stands."""
        return before(self.end.position) if self.end else self.position


def load_row(generation_id: str, with_text: bool) -> Row | None:
    """Sync: call it through `database.call`. None if there is no such generation."""
    rows = (_with_text if with_text else _without_text)(UUID(generation_id))
    if not rows:
        return None
    row = rows[0]
    return Row(
        status=row.status,
        model=row.model,
        position=Position(row.position_attempt, row.position_seq),
        text=row.text if with_text else None,
        end=None if row.status in LIVE else lifecycle.ended_event(row),
        attempt=row.attempt,
        queued=lifecycle.queued_event(row) if row.status == Status.QUEUED else None,
        wait=row_wait(row) if row.status == Status.QUEUED else None,
        blocks=row.blocks if with_text else "",
    )


@prepared
def _with_text(pk: UUID) -> QuerySet[Generation]:
    return Generation.objects.filter(pk=pk)


@prepared
def _without_text(pk: UUID) -> QuerySet[Generation]:
    return Generation.objects.filter(pk=pk).defer("text", "blocks")


def load_statuses(generation_ids: Sequence[str]) -> dict[str, str]:
    """Sync: call it through `database.call`."""
    rows = Generation.objects.filter(pk__in=generation_ids)
    return {str(pk): status for pk, status in rows.values_list("pk", "status")}


@dataclass(slots=True)
class Reading:
    """`log` is None if Redis is away and memory does not help."""

    generation: str
    row: Row
    log: LogPart | None
    _tails: dict[Position, list[Piece] | None] = field(default_factory=dict)
    _snapshots: dict[tuple[bool, bool], list[Piece]] = field(default_factory=dict)

    @property
    def redis_is_away(self) -> bool:
        return self.log is None or self.log.from_memory

    def plan(self, viewer: Viewer) -> Plan | None:
        """How to bring a viewer forward; None if that takes the row's text and it was not read."""
        if not viewer.needs_text:
            resumed = self._resume(viewer.position, viewer.epoch)
            if resumed is not None:
                return resumed._replace(pieces=[*resumed.pieces, *self._waiting(viewer)])
            if self._knows_nothing_new(viewer.position):
                return Plan((), viewer.epoch, recovered=False)
        return None if self.row.text is None else self._start_over(viewer, self.row.text)

    def _resume(self, at: Position, epoch: str | None) -> Plan | None:
        """Exactly what a viewer at `at` missed; None if that cannot be proven."""
        log, end = self.log, self.row.end
        if log is None or log.epoch is None:
            if end is not None and at == before(end.position):
                return Plan([end_piece(end)], epoch, recovered=True)
            return None
        tail = self._tail(at) if epoch == log.epoch else None
        if tail is None:
            return None
        if end is None or log.closed:
            return Plan(tail, epoch, recovered=True, ended=log.closed)
        if log.last == before(end.position):
            return Plan([*tail, end_piece(end)], epoch, recovered=True)
        return None

    def _knows_nothing_new(self, at: Position) -> bool:
        """Nothing is known beyond what a viewer at `at` has shown already; the log may yet come (back)."""
        no_log = self.redis_is_away or (self.log is not None and self.log.epoch is None)
        return no_log and self.row.end is None and at >= self.row.position

    def _start_over(self, viewer: Viewer, text: str) -> Plan:
        """The text so far, and what came after it."""
        row, at = self.row, self.row.text_position
        epoch = self.log.epoch if self.log else None
        recovered = viewer.is_new and self.log is not None
        # A new viewer's `ok` names the epoch, and an empty text is what it has.
        nothing_to_say = viewer.is_new and not viewer.is_open and at == START and not text
        pieces = [] if nothing_to_say else [*self._snapshot(text, recovered, viewer.wants_blocks)]
        if row.end is not None:
            return Plan([*pieces, end_piece(row.end)], epoch, recovered)
        pieces += (self._tail(at) if epoch is not None else None) or ()
        pieces += self._waiting(viewer)
        return Plan(pieces, epoch, recovered, snapshot_at=(at, epoch))

    def _waiting(self, viewer: Viewer) -> Sequence[Piece]:
        """Why it does not run, for somebody who comes after that was said."""
        queued, log = self.row.queued, self.log
        if queued is None or viewer.is_open:
            return ()
        if log is not None and (log.closed or log.last.attempt > self.row.attempt):
            return ()  # it went on since the row was read
        if self.redis_is_away:
            queued = Queued(generation=self.generation, reason="waiting_for_queue")
        return (piece_of(encode(queued)),)

    def _tail(self, at: Position) -> list[Piece] | None:
        """The log after `at`, merged; None if something is missing in between."""
        log = self.log
        if log is None:
            return None
        if at not in self._tails:
            linked = chain(log.events, at)
            whole = reaches(linked, at, log.last)
            part_bytes = conf.get().snapshot_part_bytes
            self._tails[at] = merge(self.generation, linked, at, part_bytes) if whole else None
        return self._tails[at]

    def _snapshot(self, text: str, recovered: bool, with_blocks: bool) -> list[Piece]:
        kind = recovered, with_blocks
        if kind not in self._snapshots:
            epoch = self.log.epoch if self.log else None
            whole = Snapshot(
                generation=self.generation,
                position=self.row.text_position,
                epoch=epoch or "",
                part=0,
                last=True,
                text=text,
                recovered=recovered,
                status=self.row.status,
                model=self.row.model,
            )
            blocks = decode(self.row.blocks) if with_blocks else ()
            self._snapshots[kind] = snapshot_pieces(whole, conf.get().snapshot_part_bytes, blocks)
        return self._snapshots[kind]


async def read(
    generation: str,
    starts: Iterable[Position],
    with_text: bool,
    from_memory: Callable[[Position], LogPart | None],
) -> Reading | None:
    """Row, then log after the earliest of `starts` (and of the row's text). None if there is no such generation; what
    the database raises goes through."""
    row = await database.call(load_row, generation, with_text)
    if row is None:
        return None
    wanted = list(starts)
    if with_text or not wanted:
        wanted.append(row.text_position)
    return Reading(generation, row, await _read_log(generation, min(wanted), from_memory))


async def _read_log(
    generation: str, after: Position, from_memory: Callable[[Position], LogPart | None]
) -> LogPart | None:
    try:
        found = await ReplayLog(redis_client.get()).read_after(generation, after)
    except (RedisError, OSError) as error:
        log.warning("the log of stream %s cannot be read: %r", generation, error)
        return from_memory(after)
    return LogPart(found.epoch, found.last or START, found.closed, found.entries)
