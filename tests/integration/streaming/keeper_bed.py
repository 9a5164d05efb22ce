"""One lane with its rows and the part of the pacer that keeps it, driven by hand: time passes when the test says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone
from redis.asyncio import Redis

from streaming import database, dispatcher, fanout, lanes
from streaming.forecasts import Forecasts
from streaming.lane_keeper import LaneKeeper
from streaming.lane_limits import LaneLimits
from streaming.lane_rebuild import Orders
from streaming.lane_store import LaneStore
from streaming.lane_values import LaneLost, Ticket, Used
from streaming.models import Generation, Lane
from streaming.states import Status
from streaming.wait_board import Board
from tests.engine import change_row
from tests.integration.streaming.lane_bed import START_MS

LANE = "a lane"
MODEL = {"alias": "scripted", "label": "Scripted", "provider": "demo", "model": "scripted", "lane": LANE}
WORKER = "worker-1"


@dataclass
class KeeperBed:
    client: Redis
    #: Who was sent on the way, in order, and the boards that all processes were told.
    sent: list[Ticket] = field(default_factory=list)
    told: list[Board] = field(default_factory=list)
    now_ms: int = START_MS
    forecasts: Forecasts = field(default_factory=Forecasts)

    @property
    def store(self) -> LaneStore:
        return lanes.store(LANE)

    async def receive(self, group: str, message: dict[str, Any]) -> bool:
        """In place of the channel layer."""
        if group == fanout.boards_group():
            assert (message["type"], message["g"]) == ("lane.board", group)
            self.told.append(Board.decode(message["f"]))
        return True

    async def keeper(self, **limits: Any) -> LaneKeeper:
        """A lane that was just built, and who keeps it."""
        await self.store.set_clock(self.now_ms)
        orders = orders_of(**limits)
        await database.call(Lane.objects.create, name=LANE, **asdict(orders.limits), blocked_reason=orders.blocked)
        keeper = LaneKeeper(LANE, orders, self.forecasts)
        await self.drain(keeper)
        return keeper

    async def drain(self, keeper: LaneKeeper) -> float:
        """As the keeper's own loop does it."""
        try:
            return await keeper.drain()
        except LaneLost:
            assert await keeper.rebuild()
            return await keeper.drain()

    async def pass_s(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)
        await self.store.set_clock(self.now_ms)

    async def lose_memory(self) -> None:
        await self.client.flushall()
        await self.store.set_clock(self.now_ms)

    async def ask(self, user: str = "ann", **fields: Any) -> str:
        """Accept a request and give it its place."""
        generation_id = await database.call(accept, user, **fields)
        assert await dispatcher.enqueue(generation_id)
        return generation_id

    async def begin(self, generation_id: str) -> Ticket:
        """A worker takes it up."""
        ticket = self.ticket(generation_id)
        assert (await self.store.start(ticket, WORKER)).status == "OK"
        values = {"status": Status.STREAMING, "attempt": 1, "worker": WORKER, "admission": ticket.admission}
        await change_row(generation_id, **values, admitted_at=timezone.now())
        return ticket

    async def end(self, ticket: Ticket) -> None:
        """A worker ends it: the row first, then the ticket."""
        await change_row(ticket.generation_id, status=Status.COMPLETED, finished_at=timezone.now(), worker="")
        answer = await self.store.settle(ticket, Used(), good=True)
        assert answer.status == "OK"
        await dispatcher.start(answer.drained.admitted)

    def ticket(self, generation_id: str) -> Ticket:
        return next(ticket for ticket in reversed(self.sent) if ticket.generation_id == generation_id)

    async def send(self, tickets: Sequence[Ticket]) -> None:
        self.sent += tickets

    def sent_ids(self) -> list[str]:
        return [ticket.generation_id for ticket in self.sent]

    async def order(self) -> list[str]:
        """Who waits, first the next one."""
        seen = await self.store.snapshot(1000)
        return [waiting.ticket for waiting in (*seen.waiting, *seen.parked)]

    async def state(self, generation_id: str) -> str:
        """Of its ticket; empty if there is none."""
        (standing,) = await self.store.standings([generation_id])
        return standing.state if standing else ""


def orders_of(blocked: str = "", slots: int | None = None, **limits: Any) -> Orders:
    """No limits but these."""
    open_ = {"user_concurrency": None, "user_queue": None, "queue_max": None, "pace": 1.0}
    return Orders(LaneLimits(**open_ | limits), blocked, slots)


def accept(user: str, age_s: float = 0.0, **fields: Any) -> str:
    """A QUEUED row; `age_s`: how long ago it was asked."""
    person, _ = get_user_model().objects.get_or_create(username=user)
    now = timezone.now()
    defaults = {"model": "scripted", "lane": LANE, "input_estimate": 100, "output_estimate": 200, "lane_cost": 1100}
    times = {"wake_at": now + timedelta(seconds=10), "deadline_at": now + timedelta(minutes=15)}
    row = Generation.objects.create(user=person, **(defaults | times | fields))
    Generation.objects.filter(pk=row.pk).update(requested_at=now - timedelta(seconds=age_s))
    return str(row.pk)
