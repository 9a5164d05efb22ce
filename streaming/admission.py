"""May a new question be asked of a lane now? Better refused before it is written than accepted and never served.

The lane's newest board says it and, where somebody waits or the line is short, its preview: else asking costs nothing.
What nobody can tell (no board yet, Redis away) refuses nobody: rows first.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Final

from django.db import DatabaseError
from redis import RedisError

from streaming import conf, database, estimates, lane_tickets, lanes, providers, wait_feed
from streaming.errors import Refused, Sentence
from streaming.lane_snapshot import Place
from streaming.lane_values import LaneLost, Preview
from streaming.providers.base import ModelEntry
from streaming.wait_board import Board

log = logging.getLogger(__name__)

BEHIND: Final = 2**53
"""A seq behind all that there are."""
OTHERS_NAMED: Final = 3
OWN_WAITS: Final = "One of your questions waits for %(model)s already. Ask again when it has begun."
OWN_WAIT: Final = "%(count)s of your questions wait for %(model)s already. Ask again when the next one has begun."
FULL: Final = "Too many questions wait for %(model)s."
TOO_LONG: Final = "%(model)s would begin to answer in about %(time)s: too long to wait."
OTHERS: Final = "Others now: %(others)s."


async def refusal(user_id: int, entry: ModelEntry) -> Refused | None:
    """Why this person's next question would not be served in time; None: it would, or nobody can tell."""
    lane = lanes.of(entry)
    board = wait_feed.get().board(lane)
    if board is not None and board.closed == "blocked":
        return Refused(board.blocked or "Nobody can be answered just now.", code="lane_blocked", retryable=True)
    is_free = board is not None and not board.depth and not board.parked and board.newcomer[1] <= conf.get().max_wait_s
    if is_free and not estimates.has_short_line(lane):  # a board is up to a second old: a burst fills a short line
        return None
    try:
        async with asyncio.timeout(conf.get().enqueue_timeout_s):
            preview = await lanes.store(lane).preview(str(user_id))
            if preview.is_own_full:
                first = await database.call(lane_tickets.first_place, user_id, lane)
                return _own_full(entry, preview, board, first)
    except (TimeoutError, OSError, RedisError, LaneLost, DatabaseError) as error:
        log.warning("the waits of lane %s are not known (%s)", lane, type(error).__name__)
        return None
    if preview.is_full:
        return _full(entry, board)
    return None if board is None else _too_long(entry, preview, board)


def _own_full(entry: ModelEntry, preview: Preview, board: Board | None, first: Place | None) -> Refused:
    """There is room again when the first of the person's own starts."""
    own = OWN_WAITS if preview.own_waiting == 1 else OWN_WAIT
    words = [Sentence(own, {"count": preview.own_waiting, "model": entry.label}), *_others(entry)]
    room_s = board.wait(first).p50_s if board is not None and first is not None else None
    return Refused(words, code="queue_full", retryable=True, retry_after_s=_retry_s(room_s))


def _full(entry: ModelEntry, board: Board | None) -> Refused:
    """There is room again when the first of all starts."""
    words = [Sentence(FULL, {"model": entry.label}), *_others(entry)]
    room_s = board.grid[0].p50_s if board is not None and board.grid else None
    return Refused(words, code="lane_full", retryable=True, retry_after_s=_retry_s(room_s))


def _retry_s(room_s: float | None) -> float | None:
    return max(1.0, room_s) if room_s is not None and math.isfinite(room_s) else None


def _too_long(entry: ModelEntry, preview: Preview, board: Board) -> Refused | None:
    p50_s, longest_s = board.wait(Place(preview.tag, BEHIND)).p50_s, conf.get().max_wait_s
    if p50_s is None or p50_s <= longest_s:
        return None
    words = [Sentence(TOO_LONG, {"model": entry.label, "time": in_words(p50_s)}), *_others(entry)]
    return Refused(words, code="wait_too_long", retryable=True, retry_after_s=p50_s - longest_s)


def _others(entry: ModelEntry) -> list[Sentence]:
    """The shorter waits of other lanes, for people to choose from."""
    labels = {other.alias: other.label for other in providers.catalogue() if lanes.of(other) != lanes.of(entry)}
    waits = [(wait.p50_s, labels[alias]) for alias, wait in wait_feed.get().model_waits().items() if alias in labels]
    short = sorted((p50_s, label) for p50_s, label in waits if p50_s is not None and p50_s < conf.get().max_wait_s)
    named = [f"{label} ({in_words(p50_s)})" for p50_s, label in short[:OTHERS_NAMED]]
    return [Sentence(OTHERS, {"others": ", ".join(named)})] if named else []


def in_words(seconds: float) -> str:
    """The same in all languages."""
    if seconds < 5:
        return "< 5 s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5} s"
    return f"{round(seconds / 60)} min" if seconds < 7200 else f"{round(seconds / 3600)} h"
