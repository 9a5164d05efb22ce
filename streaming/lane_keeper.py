"""What the holder of the pacer's lease does for the lanes: it supplies time, limits and the rows' word.

Whoever causes an event lets those start who may because of it; time itself is no event, so the holder drains each lane
when its script says that somebody may start, and once a second in any case. It tells all web processes the waits,
builds a lane again that was lost, and every few seconds compares it with the rows. A dead holder delays only that.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final

from django.db import DatabaseError
from kombu.exceptions import KombuError
from redis import RedisError

from streaming import accuracy, database, dispatcher, lane_rebuild, lane_rows, lanes, load, redis_client, worker_slots
from streaming.cancellation import cancel
from streaming.forecasts import Forecasts, NoForecast
from streaming.lane_boards import LaneBoards
from streaming.lane_limits import Hold
from streaming.lane_rebuild import Orders, Reconciler
from streaming.lane_values import Drained, LaneLost

log = logging.getLogger(__name__)

PERIOD_S: Final = 1.0
WALK_S: Final = 5.0
PRUNE_S: Final = 3600.0
_AWAY: Final = (RedisError, OSError, TimeoutError, DatabaseError, KombuError, NoForecast)


class LaneKeeper:
    """One lane. `orders` may be replaced at any time and hold from the next drain on."""

    def __init__(self, name: str, orders: Orders, forecasts: Forecasts) -> None:
        self.name = name
        self.orders = orders
        self.running = 0
        """Tickets in flight, as the newest snapshot shows them."""
        self._applied: Orders | None = None
        self._token = secrets.token_hex(8)
        self._store = lanes.store(name)
        self._boards = LaneBoards(self._store, forecasts)
        self._reconciler = Reconciler(self._store)
        self._building = asyncio.Lock()

    async def drain(self) -> float:
        """Lets start who may. Returns the seconds until somebody else may, at most `PERIOD_S`: others change the lane
        meanwhile."""
        if self._applied != self.orders:
            await self._apply(self.orders)
        drained = await self._store.drain()
        await dispatch(drained)
        return PERIOD_S if drained.again_s is None else min(PERIOD_S, drained.again_s)

    async def tell(self, now: float) -> None:
        """The lane's board, to everybody."""
        async with self._building:  # one that was just built does not know yet that it is blocked
            seen, picture = await self._boards.look(now)
        self.running = seen.running
        load.peaks.see(self.name, self.running, seen.depth + seen.parked_depth)
        if (blocked := seen.blocked[: lane_rows.BLOCKED_MAX_CHARS]) != self.orders.blocked:
            await self._remember(blocked)
        if picture is not None:
            await self._boards.tell(seen, picture, now)

    def rest(self) -> None:
        """Another process keeps it from now on, and may give it other orders."""
        self._applied = None

    async def reconcile(self) -> None:
        for drained in await self._reconciler.walk(self.orders.limits.handoff_s):
            await dispatch(drained)

    async def rebuild(self) -> bool:
        """After LaneLost. False: not by us; it may not stand yet."""
        async with self._building:
            orders, self._applied = self.orders, None  # half-way it stands without any slot
            drained = await lane_rebuild.rebuild(self._store, orders, self._token)
            if drained is None:
                return False
            self._applied, self._token = orders, secrets.token_hex(8)
            self._boards.forget()
        await dispatch(drained)
        return True

    async def _apply(self, new: Orders) -> None:
        """Only what changed since this holder last said so: administrators speak to the lane as well."""
        old, store = self._applied, self._store
        if old is None or old.limits != new.limits:
            await dispatch((await store.configure(new.limits)).drained)
        if old is None or old.slots != new.slots:
            await dispatch((await store.set_capacity(new.slots)).drained)
        if old is None or old.hold != new.hold:
            await self._hold(new.hold)
        self._applied = new

    async def _hold(self, order: Hold | None) -> None:
        if order is not None:
            await self._store.hold(order)
        else:
            await dispatch(await self._store.release())

    async def _remember(self, blocked: str) -> None:
        """Whether it is blocked, the lane knows best; its row does after a loss of memory."""
        await database.call(lane_rows.remember_blocked, self._store.lane, blocked)
        self.orders = replace(self.orders, blocked=blocked)


async def dispatch(drained: Drained) -> None:
    """Whoever made a lane's call sends those on their way who may start because of it."""
    await dispatcher.start(drained.untold)


class LaneKeepers:
    """All lanes of the site, in a process that may hold the lease or not."""

    def __init__(self) -> None:
        self._forecasts = Forecasts()
        self._keepers: dict[str, LaneKeeper] = {}
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._busy: list[str] = []
        self._look_at = self._prune_at = self._leads_until = float("-inf")

    async def lead(self, now: float, lease_s: float) -> None:
        """This process holds the lease, for so long from now on. Called every second: settings and workers change."""
        self._leads_until = now + lease_s
        if now >= self._look_at:
            self._look_at, self._busy = now + WALK_S, await database.call(lane_rows.busy_lanes)
        rows = await database.call(lane_rows.settings_of, dict.fromkeys([*lanes.names(), *self._busy]))
        total = await worker_slots.total(redis_client.get())
        for name, row in rows.items():
            self._order(name, Orders(row.limits(), row.blocked_reason, self._share(name, total), row.hold()))
        await self._end(self._tasks.keys() - rows.keys())
        if now >= self._prune_at and not await database.call(accuracy.prune):
            self._prune_at = now + PRUNE_S

    async def rest(self) -> None:
        """Another process holds the lease."""
        await self._end(list(self._tasks))
        self._forecasts.end()

    def _share(self, name: str, total: int | None) -> int | None:
        """What the other lanes' answers leave of the workers' room."""
        if total is None:
            return None
        others = sum(keeper.running for other, keeper in self._keepers.items() if other != name)
        return max(0, total - others)

    def _order(self, name: str, orders: Orders) -> None:
        keeper = self._keepers.setdefault(name, LaneKeeper(name, orders, self._forecasts))
        keeper.orders = orders
        if name not in self._tasks:
            # Three rhythms: a slow estimate keeps nobody from starting.
            rhythms = (self._drain, self._tell, self._reconcile)
            self._tasks[name] = [asyncio.create_task(self._repeat(keeper, work)) for work in rhythms]

    async def _end(self, names: Iterable[str]) -> None:
        for name in list(names):
            await cancel(*self._tasks.pop(name))
            self._keepers[name].rest()

    async def _drain(self, keeper: LaneKeeper) -> float:
        return await keeper.drain()

    async def _tell(self, keeper: LaneKeeper) -> float:
        clock = asyncio.get_running_loop().time
        began = clock()
        await keeper.tell(began)
        return max(0.0, PERIOD_S - (clock() - began))

    async def _reconcile(self, keeper: LaneKeeper) -> float:
        await keeper.reconcile()
        return WALK_S

    async def _repeat(self, keeper: LaneKeeper, work: Callable[[LaneKeeper], Awaitable[float]]) -> None:
        while True:
            pause_s = PERIOD_S
            try:
                if asyncio.get_running_loop().time() < self._leads_until:
                    pause_s = await self._once(keeper, work)
            except _AWAY as error:
                log.warning("lane %s waits (%s)", keeper.name, type(error).__name__)
            except Exception:
                log.exception("the pacer failed at lane %s", keeper.name)
            await asyncio.sleep(pause_s)

    async def _once(self, keeper: LaneKeeper, work: Callable[[LaneKeeper], Awaitable[float]]) -> float:
        try:
            return await work(keeper)
        except LaneLost:
            return 0.0 if await keeper.rebuild() else PERIOD_S
