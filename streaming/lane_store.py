"""The lanes in Redis: one atomic script per operation (lua/lane_*.lua), called here and nowhere else (DESIGN 12).

A lane is one provider, key and model group that share limits. Its tickets are generations. Every operation that may let
tickets start drains the lane in the same step and returns them; the caller dispatches them. A lane that lost its memory
raises LaneLost from everything until the pacer has built it again from rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from streaming import keys
from streaming.lane_limits import Budget, Hold, LaneLimits, Observation
from streaming.lane_snapshot import Glance, Levels, Place, Snapshot, chunks, parse_glance, parse_levels, parse_snapshot
from streaming.lane_values import (
    NOTHING,
    Adopted,
    Answer,
    Drained,
    Enqueued,
    LaneLost,
    Penalty,
    Preview,
    Request,
    Restored,
    Standing,
    Ticket,
    Used,
)
from streaming.scripts import script

DRAIN_MAX: Final = 50
"""Tickets that one operation may let start: about 1 ms of the server's time."""
LEASE_S: Final = 30.0
BATCH: Final = 200
WEIGHT_MIN: Final = 0.01

_BASE: Final = ("lane_state", "lane_moves")
_QUEUE: Final = (*_BASE, "lane_queue")
_RUN: Final = (*_BASE, "lane_pressure", "lane_run")
_PROVIDER: Final = (*_BASE, "lane_pressure", "lane_limits", "lane_provider")
_REBUILD: Final = (*_BASE, "lane_limits", "lane_rebuild")
_VIEW: Final = (*_BASE, "lane_view")


#: For a lane: the list that workers read, and the message that the lane writes to it for each ticket that may start
#: (`wake_ups`); None: whoever asks the lane wakes them.
Letter = Callable[[str], tuple[str, str] | None]


class LaneStore:
    """One lane. All methods raise LaneLost, and what Redis raises."""

    def __init__(self, client: Redis, lane: str, letter: Letter = lambda lane: None) -> None:
        self.lane = lane
        self._client = client
        self._keys = keys.lane(lane)
        self._letter = letter

    # The queue

    async def enqueue(self, request: Request, *, accepted: bool = True) -> Enqueued:
        """Idempotent. `accepted`: its row is committed, so it is never refused (LANE_FULL, USER_FULL)."""
        words = [request.ticket, *_words(request), int(accepted), DRAIN_MAX]
        status, result, drained = await self._call(_QUEUE, "enqueue", *words)
        if status in ("LANE_FULL", "USER_FULL"):
            return Enqueued(status, drained, None, "", 0)
        state, tag, seq, ahead = result
        return Enqueued(status, drained, Place(tag, seq), state.decode(), max(0, ahead))

    async def cancel(self, ticket: str) -> Answer:
        """CANCELLED · FLAGGED (handed over: it will not start) · RUNNING · GONE"""
        return await self._answer(_QUEUE, "cancel", ticket, DRAIN_MAX)

    async def remove(self, ticket: str) -> Answer:
        """Its row has ended and nobody else will settle it."""
        return await self._answer(_QUEUE, "remove", ticket, DRAIN_MAX)

    async def drain(self, limit: int = DRAIN_MAX) -> Drained:
        return (await self._answer(_QUEUE, "drain", limit)).drained

    async def preview(self, user: str) -> Preview:
        _, result, _ = await self._call(_QUEUE, "preview", user)
        return Preview(*result[:4], *(None if most < 0 else most for most in result[4:]))

    async def standings(self, tickets: Sequence[str]) -> list[Standing | None]:
        _, result, _ = await self._call(_QUEUE, "places", *tickets)
        return [
            Standing(state.decode(), Place(tag, seq), None if ahead < 0 else ahead) if state else None
            for state, tag, seq, ahead in chunks(result, 4)
        ]

    # A running ticket

    async def start(self, ticket: Ticket, holder: str, lease_s: float = LEASE_S) -> Answer:
        """OK · FENCED · CANCELLED · LATER. Only OK may go on. Repeating it with the same holder is safe."""
        words = [ticket.generation_id, ticket.admission, _ms(lease_s), holder, DRAIN_MAX]
        return await self._answer(_RUN, "start", *words)

    async def beat(self, produced: Sequence[tuple[Ticket, int]], lease_s: float = LEASE_S) -> list[bool]:
        """Renew leases and charge what was produced so far; False: this ticket is somebody else's now."""
        words = [word for ticket, tokens in produced for word in (ticket.generation_id, ticket.admission, tokens)]
        _, result, _ = await self._call(_RUN, "beat", _ms(lease_s), *words)
        return [known == 1 for known in result]

    async def settle(self, ticket: Ticket, used: Used, *, good: bool) -> Answer:
        """Its run is over. `good`: the provider served it, which mends a slowed lane."""
        numbers = ["" if value is None else value for value in (used.input_tokens, used.output_tokens, used.cost)]
        words = [ticket.generation_id, ticket.admission, *numbers, int(good), DRAIN_MAX]
        return await self._answer(_RUN, "settle", *words)

    async def requeue(self, ticket: Ticket, penalty: Penalty, *, used: Used | None = None) -> Answer:
        """Back to the same place. `used`: what the provider charged for the try, None: nothing. An admission of 0
        stands for "its row says that it waits", whoever has it."""
        spent = used or Used(0, 0)
        charged = [int(used is not None), spent.input_tokens or 0, spent.output_tokens or 0]
        words = [ticket.generation_id, ticket.admission, *charged, penalty.kind, *_penalty(penalty), DRAIN_MAX]
        return await self._answer(_RUN, "requeue", *words)

    # Limits and the provider's answers

    async def configure(self, limits: LaneLimits) -> Answer:
        """CHANGED · SAME (in force already; what was learned since stays)"""
        return await self._answer(_PROVIDER, "configure", DRAIN_MAX, *_configuration(limits))

    async def set_capacity(self, slots: int | None) -> Answer:
        """As many may run as the live workers have room for."""
        return await self._answer(_PROVIDER, "capacity", "" if slots is None else slots, DRAIN_MAX)

    async def observe(self, seen: Sequence[Observation], ticket: Ticket | None = None) -> tuple[list[Adopted], Drained]:
        """What an answer's headers say. `ticket`: the provider took its request; None: the answer was a refusal."""
        words: list[Any] = [ticket.generation_id if ticket else "", ticket.admission if ticket else 0, DRAIN_MAX]
        for item in seen:
            words += [item.budget, _number(item.limit), _number(item.remaining), _ms(item.window_s)]
        _, result, drained = await self._call(_PROVIDER, "observe", *words)
        return [Adopted(Budget(_text(budget)), old, new) for budget, old, new in chunks(result, 3)], drained

    async def punish(self, penalty: Penalty) -> None:
        """A refusal to a request that does not come back to the lane."""
        if penalty.kind == "limit":
            await self._answer(_PROVIDER, "pause", *_penalty(penalty))
        elif penalty.kind == "overload":
            await self._answer(_PROVIDER, "overload", _ms(penalty.wait_s or 0), _ms(penalty.jitter_s))

    async def block(self, reason: str) -> None:
        """Nobody starts until `unblock`. `reason` is a sentence for people."""
        await self._answer(_PROVIDER, "block", reason)

    async def hold(self, order: Hold) -> None:
        """An administrator's order: nobody starts until `release`, or until its end; what runs goes on."""
        await self._answer(_PROVIDER, "hold", order.kind, order.sentence, order.until_ms or "")

    async def release(self) -> Drained:
        return (await self._answer(_PROVIDER, "release", DRAIN_MAX)).drained

    async def unblock(self, *, reopen: bool = False) -> Drained:
        """`reopen`: whatever else the provider closed goes on as well."""
        return (await self._answer(_PROVIDER, "unblock", DRAIN_MAX, int(reopen))).drained

    # Building it from rows

    async def open(self, token: str, limits: LaneLimits, idle_s: float) -> str:
        """OK · EXISTS · BUSY. `idle_s`: how long nothing was asked of the provider; buckets hold what that refilled."""
        reply = await self._raw(_REBUILD, "open", token, _ms(min(idle_s, 86_400.0)), *_configuration(limits))
        return _text(reply[0])

    async def restore(self, token: str, tickets: Sequence[Restored], lease_s: float = LEASE_S) -> str:
        """OK · FENCED. An empty token adds to a standing lane what it lacks."""
        status = "OK"
        ordered = sorted(tickets, key=lambda item: not item.running)
        for batch in chunks(ordered, BATCH):
            words = [word for item in batch for word in _restored(item)]
            reply = await self._raw(_REBUILD, "restore", token, _ms(lease_s), *words)
            status = _text(reply[0])
            if status != "OK":
                break
        return status

    async def close(self, token: str) -> Answer:
        """OK: the lane stands, under `token` as its epoch · FENCED"""
        reply = await self._raw(_REBUILD, "close", token, DRAIN_MAX)
        return Answer(_text(reply[0]), self._drained(reply[2]) if len(reply) > 2 else NOTHING)

    async def page(self, cursor: int, count: int = BATCH) -> tuple[int, list[tuple[str, str, float]]]:
        """Some of all tickets as (ticket, state, seconds since its last move), and the next cursor; 0: that was all."""
        _, result, _ = await self._call(_REBUILD, "page", cursor, count)
        found = [(_text(ticket), _text(state), age / 1000) for ticket, state, age in chunks(result[1:], 3)]
        return int(result[0]), found

    async def snapshot(self, depth: int, events: int = 0) -> Snapshot:
        """`events`: how much of the history is known already."""
        return parse_snapshot(await self.unread_snapshot(depth, events))

    async def unread_snapshot(self, depth: int, events: int = 0) -> Sequence[Any]:
        """The same, for somebody else to parse."""
        _, result, _ = await self._call(_VIEW, "snapshot", depth, events)
        reply: Sequence[Any] = result
        return reply

    async def glance(self) -> Glance:
        _, result, _ = await self._call(_VIEW, "glance")
        return parse_glance(result)

    async def levels(self) -> Levels:
        _, result, _ = await self._call(_VIEW, "levels")
        return parse_levels(result)

    async def set_clock(self, now_ms: int) -> None:
        """Virtual time, for simulations and tests."""
        await self._client.hset(self._keys[0], "clock", str(now_ms))

    async def _raw(self, names: tuple[str, ...], operation: str, *words: Any) -> Any:
        used = self._keys
        if (letter := self._letter(self.lane)) is not None:
            used, words = [*used, letter[0]], (*words, letter[1])
        reply = await script(*names).call(self._client, used, operation, *words)
        if reply[0] == b"LOST":
            raise LaneLost
        return reply

    async def _call(self, names: tuple[str, ...], operation: str, *words: Any) -> tuple[str, Any, Drained]:
        status, result, drained = await self._raw(names, operation, *words)
        return _text(status), result, self._drained(drained)

    async def _answer(self, names: tuple[str, ...], operation: str, *words: Any) -> Answer:
        status, _, drained = await self._call(names, operation, *words)
        return Answer(status, drained)

    def _drained(self, reply: Any) -> Drained:
        admitted, again_ms, why, lost, is_told = reply
        tickets = [Ticket(_text(ticket), admission, self.lane) for ticket, admission in chunks(admitted, 2)]
        again_s = None if again_ms < 0 else again_ms / 1000
        return Drained(tickets, again_s, _text(why), [_text(ticket) for ticket in lost], is_told == 1)


def _words(request: Request) -> list[Any]:
    if "|" in request.user:
        raise ValueError("a user's id holds no bar: the lane's keys use it")
    cost, weight = max(1, request.cost), _number(max(WEIGHT_MIN, request.weight))
    return [request.user, max(0, request.input_tokens), max(0, request.output_tokens), cost, weight]


def _restored(item: Restored) -> list[Any]:
    place = ["", ""] if item.place is None else [item.place.tag, item.place.seq]
    times = [item.admission, item.queued_ms, item.admitted_ms, item.produced]
    return ["r" if item.running else "w", item.request.ticket, *_words(item.request), *place, *times]


def _configuration(limits: LaneLimits) -> list[str]:
    return [limits.digest(), *(word for pair in limits.fields().items() for word in pair)]


def _penalty(penalty: Penalty) -> list[Any]:
    return [_ms(penalty.wait_s or 0), _number(penalty.factor), _ms(penalty.jitter_s), penalty.empty or ""]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _number(value: float) -> str:
    return f"{value:.12g}"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
