"""What this web process knows of the lanes' waits, and who is told of them. One per process and event loop: see `get`.

The pacer draws a board of each lane about once a second; every web process gets them on one channel. From these each
process derives the waits of its own people: one look-up per waiting generation and board, no write, no query. A row is
asked once, for its place.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from django.db import Error as DatabaseError

from streaming import database, fanout, hub, lanes, providers
from streaming.events import Queued
from streaming.lane_snapshot import Place
from streaming.models import Generation
from streaming.per_loop import PerLoop
from streaming.states import Status
from streaming.wait_board import Board, Wait
from streaming.wait_teller import RowWait, WaitTeller

#: Boards come every second while somebody waits, and every ten otherwise. An older one says nothing any more.
BOARD_VALID_S: Final = 15.0
#: Those who reload come back within it, and find the promise that they were given.
LINGER_S: Final = 30.0
#: Generations between two turns of the event loop: well below a millisecond.
SLICE: Final = 50
PLACES_PER_QUERY: Final = 500

Tell = Callable[[str], None]
log = logging.getLogger(__name__)


def row_wait(row: Generation) -> RowWait:
    placed = row.lane_tag is not None and row.lane_seq is not None
    return RowWait(
        lane=row.lane,
        place=Place(row.lane_tag, row.lane_seq) if placed else None,  # type: ignore[arg-type]
        since_ms=round(row.requested_at.timestamp() * 1000),
        retry_ms=round(row.wait_until.timestamp() * 1000) if row.wait_until else 0,
    )


def load_waits(generation_ids: Sequence[str]) -> dict[str, RowWait]:
    """Sync: call it through `database.call`. Those that do not wait (any more) are left out."""
    rows = Generation.objects.filter(pk__in=generation_ids, status=Status.QUEUED)
    rows = rows.only("lane", "lane_tag", "lane_seq", "requested_at", "wait_until")
    return {str(row.pk): row_wait(row) for row in rows}


class WaitFeed:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._boards: dict[str, Board] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._tellers: dict[str, WaitTeller] = {}
        #: Those whose place is not known, the longest asked ones first.
        self._missing: dict[str, None] = {}
        #: To whom; a generation without viewers here is missing in it, and forgotten after a while.
        self._audiences: dict[str, Tell] = {}
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._watchers: list[Callable[[], None]] = []
        self._membership = hub.get().join(fanout.boards_group(), self._on_message)

    # What others ask.

    def watch(self, watcher: Callable[[], None]) -> None:
        """Have `watcher()` called whenever the present waits may have changed."""
        self._watchers.append(watcher)

    def board(self, lane: str) -> Board | None:
        """The newest one; None: nothing is known of it."""
        return self._boards.get(lane)

    def present_waits(self) -> dict[str, Wait]:
        """What somebody who asks now would wait, by lane; a lane of which nothing is known is left out."""
        return {lane: board.present() for lane, board in self._boards.items()}

    def model_waits(self) -> dict[str, Wait]:
        """The same by the alias of each model that can be used."""
        waits = self.present_waits()
        usable = ((entry.alias, lanes.of(entry)) for entry in providers.catalogue() if entry.unavailable is None)
        return {alias: waits[lane] for alias, lane in usable if lane in waits}

    # Generations come and go.

    def follow(self, generation: str, wait: RowWait | None, tell: Tell) -> Queued | None:
        """It waits and has viewers here: `tell(frame)` from now on. Returns what those who come now should know.
        `wait` is from its row; None: it began to wait a moment ago, and its row will be read."""
        self._stays(generation)
        self._audiences[generation] = tell
        teller = self._tellers.get(generation)
        if teller is None or wait is None:
            teller = self._tellers[generation] = WaitTeller(generation, 0 if wait else _now_ms())
        if wait is not None:
            teller.learn(wait)
        if not teller.is_placed:
            self._missing[generation] = None
        if (board := self._boards.get(teller.lane)) is not None:
            self._consider(teller, board)
        return teller.latest(self._loop.time())

    def leave(self, generation: str) -> None:
        """Its last viewer here has gone."""
        if self._audiences.pop(generation, None) is not None:
            self._leaving[generation] = self._loop.call_later(LINGER_S, self.forget, generation)

    def forget(self, generation: str) -> None:
        """It does not wait any more."""
        self._stays(generation)
        self._tellers.pop(generation, None)
        self._missing.pop(generation, None)
        self._audiences.pop(generation, None)

    def _stays(self, generation: str) -> None:
        if (timer := self._leaving.pop(generation, None)) is not None:
            timer.cancel()

    # Boards come in.

    def _on_message(self, message: hub.Message) -> None:
        board = Board.decode(message["f"])
        known = self._boards.get(board.lane)
        if known is not None and board.now_ms <= known.now_ms:
            return  # late, or of a pacer that has lost its lease
        self._boards[board.lane] = board
        if (expiry := self._expiries.get(board.lane)) is not None:
            expiry.cancel()
        self._expiries[board.lane] = self._loop.call_later(BOARD_VALID_S, self._expired, board.lane)
        self._start(board.lane)
        self._tell_watchers()

    def _expired(self, lane: str) -> None:
        del self._boards[lane], self._expiries[lane]
        self._start(lane)
        self._tell_watchers()

    def _tell_watchers(self) -> None:
        for watcher in self._watchers:
            watcher()

    def _start(self, lane: str) -> None:
        """One task per lane at a time: a board that comes meanwhile is used by the rest of it."""
        if self._tellers and lane not in self._tasks:
            task = self._tasks[lane] = self._loop.create_task(self._go_round(lane), name=f"waits of {lane}")
            task.add_done_callback(lambda _: self._tasks.pop(lane, None))

    async def _go_round(self, lane: str) -> None:
        try:
            await self._find_places()
            for number, teller in enumerate(list(self._tellers.values()), 1):
                if teller.lane == lane:
                    self._consider(teller, self._boards.get(lane))
                if number % SLICE == 0:
                    await asyncio.sleep(0)
        except (DatabaseError, OSError) as error:
            log.warning("places in the lanes cannot be read: %r", error)
        except Exception:
            log.exception("the waits of lane %s could not be told", lane)

    async def _find_places(self) -> None:
        """Of those who came before their place was written: a query only while there are any."""
        asked = list(self._missing)[:PLACES_PER_QUERY]
        if not asked:
            return
        found = await database.call(load_waits, asked)
        for generation in asked:
            self._missing.pop(generation, None)
            if (teller := self._tellers.get(generation)) is None or generation not in found:
                continue  # it does not wait: its stream says the rest
            teller.learn(found[generation])
            if not teller.is_placed:
                self._missing[generation] = None

    def _consider(self, teller: WaitTeller, board: Board | None) -> None:
        now = self._loop.time()
        frame = teller.nobody_can_tell(now) if board is None else teller.consider(board, now)
        tell = self._audiences.get(teller.generation)
        if frame is not None and tell is not None:
            tell(frame)


def _now_ms() -> int:
    return round(time.time() * 1000)


#: The waits as the running loop knows them.
get: Final = PerLoop(WaitFeed).get
