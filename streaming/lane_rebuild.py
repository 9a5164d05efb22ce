"""A lane is built from rows when Redis lost its memory, and compared with them every few seconds while it stands."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final

from streaming import database, lane_rows
from streaming.lane_limits import Hold, LaneLimits
from streaming.lane_rows import Seen
from streaming.lane_snapshot import Place, chunks
from streaming.lane_store import BATCH, LaneStore
from streaming.lane_values import Answer, Drained, Penalty, Restored, Ticket

log = logging.getLogger(__name__)

IDLE_MAX_S: Final = 86_400.0
FRESH_S: Final = 3.0
"""Whoever accepted a request gives it its place within 2 s; only then it counts as forgotten."""
SETTLED_S: Final = 10.0
"""A run that ended gives its ticket back by itself, unless its process died in between."""
_HANDED_OVER: Final = frozenset("hrl")


@dataclass(frozen=True, slots=True)
class Orders:
    """What holds for a lane now: its row, and the streams that workers can take. `blocked`: a sentence, or nothing."""

    limits: LaneLimits
    blocked: str = ""
    slots: int | None = None
    hold: Hold | None = None


async def rebuild(store: LaneStore, orders: Orders, token: str) -> Drained | None:
    """Everybody in the old place. None: somebody else builds it, or did. Nobody starts before all that could forbid it
    is in force again, so the lane stands without any slot first. After a failure the same `token` may begin again."""
    idle_s = min(IDLE_MAX_S, await database.call(lane_rows.idle_s, store.lane))
    if await store.open(token, replace(orders.limits, concurrency=0), idle_s) != "OK":
        return None
    rows = await _all_live(store.lane)
    known, late = _in_order(rows)
    if await store.restore(token, known) != "OK" or (await store.close(token)).status != "OK":
        return None
    await store.restore("", late)
    log.log(logging.WARNING if rows else logging.INFO, "lane %s was built from %s rows", store.lane, len(rows))
    if orders.blocked:
        await store.block(orders.blocked)
    if orders.hold is not None:
        await store.hold(orders.hold)
    await store.set_capacity(orders.slots)
    await _write_places(store, rows)
    return (await store.configure(orders.limits)).drained


def _in_order(rows: list[Restored]) -> tuple[list[Restored], list[Restored]]:
    """Who has a place or had started, and who comes after them. Without a place are those that the lane never heard of,
    and those that it let start at once: they asked before everybody who waits, and go first if no worker took them."""
    homeless = sorted((row for row in rows if row.place is None and not row.running), key=_asked)
    known = [row for row in rows if row.place is not None or row.running]
    waiting = [row for row in known if not row.running]
    first = min((row.place for row in waiting if row.place is not None), default=None)
    if first is None:
        return known, homeless
    oldest = min(map(_asked, waiting))
    early = [replace(row, place=Place(first.tag, 0)) for row in homeless if _asked(row) < oldest]
    return known + early, homeless[len(early) :]


def _asked(row: Restored) -> int:
    return row.queued_ms


async def _write_places(store: LaneStore, restored: list[Restored]) -> None:
    """Of those who had none: the next loss of memory finds them where they stand now."""
    new = [row.request.ticket for row in restored if row.place is None and not row.running]
    for tickets in chunks(new, BATCH):
        standings = zip(tickets, await store.standings(tickets), strict=True)
        places = [(ticket, standing.place) for ticket, standing in standings if standing is not None]
        await database.call(lane_rows.write_places, places)


async def _all_live(lane: str) -> list[Restored]:
    rows: list[Restored] = []
    while True:
        page = await database.call(lane_rows.live_page, lane, rows[-1].request.ticket if rows else None)
        rows += page
        if len(page) < lane_rows.PAGE:
            return rows


class Reconciler:
    """Compares one lane with its rows: the row says what must be. What may only be on its way (a claim, a settlement)
    is left alone until it is seen twice, or is old."""

    def __init__(self, store: LaneStore) -> None:
        self._store = store
        self._stuck: set[str] = set()

    async def walk(self, handoff_s: float) -> list[Drained]:
        """One look at all of them. Returns who may start because of it."""
        tickets = await self._tickets()
        missing, stuck = list[str](), set[str]()
        async for row in self._rows():
            state, age_s = tickets.pop(row.ticket, ("", 0.0))
            if row.resting and not row.running:
                continue
            if not state:
                missing.append(row.ticket)
            elif state in _HANDED_OVER and not row.running and age_s > handoff_s:
                stuck.add(row.ticket)
        answers = [await self._let_wait(ticket) for ticket in sorted(stuck & self._stuck)]
        self._stuck = stuck
        answers += await self._remove(
            {ticket: state for ticket, (state, age_s) in tickets.items() if age_s > SETTLED_S}
        )
        await self._restore(missing)
        return [answer.drained for answer in answers]

    async def _rows(self) -> AsyncIterator[Seen]:
        after: str | None = None
        while True:
            page = await database.call(lane_rows.seen_page, self._store.lane, after)
            for row in page:
                yield row
            if len(page) < lane_rows.PAGE:
                return
            after = page[-1].ticket

    async def _tickets(self) -> dict[str, tuple[str, float]]:
        tickets: dict[str, tuple[str, float]] = {}
        cursor, found = await self._store.page(0)
        while True:
            tickets |= {ticket: (state, age_s) for ticket, state, age_s in found}
            if not cursor:
                return tickets
            cursor, found = await self._store.page(cursor)

    async def _let_wait(self, ticket: str) -> Answer:
        """Its row waits, whoever once had it: back to its place."""
        log.warning("generation %s waits again: nobody took it up", ticket)
        return await self._store.requeue(Ticket(ticket, 0), Penalty())

    async def _remove(self, unknown: dict[str, str]) -> list[Answer]:
        """Tickets without a live row; first those that wait, lest they start when others make room."""
        gone = await database.call(lane_rows.over, list(unknown), SETTLED_S) if unknown else []
        gone.sort(key=lambda ticket: unknown[ticket] in _HANDED_OVER)
        if gone:
            log.warning("lane %s forgets %s tickets of generations that are over", self._store.lane, len(gone))
        return [await self._store.remove(ticket) for ticket in gone]

    async def _restore(self, missing: list[str]) -> None:
        """Live rows that nobody gave a place, or whose place was lost."""
        rows = await database.call(lane_rows.forgotten, missing, FRESH_S) if missing else []
        if rows:
            log.warning("lane %s gets %s live rows that it did not know", self._store.lane, len(rows))
            await self._store.restore("", sorted(rows, key=_asked))
            await _write_places(self._store, rows)
