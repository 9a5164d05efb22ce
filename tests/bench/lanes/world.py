"""People, workers and time around one real lane: an event-driven world whose clock is the lane's."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from streaming.lane_limits import Budget, ChargeMode, LaneLimits, exhausted
from streaming.lane_snapshot import Snapshot
from streaming.lane_store import LaneStore
from streaming.lane_values import Drained, Penalty, Request, Ticket, Used
from streaming.wait_estimator import Forecast, WaitEstimator
from tests.bench.lanes.provider import Provider, TrueBucket

START_MS: Final = 1_700_000_000_000
BEAT_S: Final = 2.0
LEASE_S: Final = 3600.0
HEAVY: Final = "heavy"
USERS: Final = 40


def lognormal(mean: float, cv: float) -> tuple[float, float]:
    sigma = math.sqrt(math.log(1 + cv * cv))
    return math.log(mean) - sigma * sigma / 2, sigma


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    limits: LaneLimits
    #: The provider's own limits per minute, and its bursts in seconds of them; what the lane believes is in `limits`.
    true_limits: dict[Budget, float] = field(default_factory=dict)
    true_burst_s: float = 60.0
    per_s: float = 0.5
    swing: float = 0.4
    users: int = 0  # 0: everybody asks once, which makes the fair order a plain one
    burst_every_s: float = 0.0
    burst: tuple[int, int] = (15, 30)
    burst_of_heavy: bool = False
    sulk_every_s: float = 0.0
    service: tuple[float, float] = lognormal(16, 0.9)
    patience: tuple[float, float] | None = None
    output: tuple[float, float] | None = None  # None: every answer is as long as estimated
    output_mean: int = 600
    slow: bool = False  # 1.7 times slower for 20 minutes of every hour
    headers: bool = False
    probe: float = 0.2
    hand_off_s: float = 0.0  # at most, from admission to the provider
    warm_up_s: float = 900.0


@dataclass(slots=True)
class Person:
    """One request and its wait."""

    name: str
    user: str
    at: float
    output: int
    seconds: float
    probe: bool
    patience_s: float | None
    started: float | None = None
    ticket: Ticket | None = None
    state: str = "waits"


class World:
    """`on_probe` is called when a probe has just been told its wait, `on_again` when it is told anew half way through,
    `on_snapshot` for each snapshot, `on_start` when anybody's answer begins."""

    def __init__(self, store: LaneStore, scenario: Scenario, seed: int) -> None:
        self.store, self.scenario = store, scenario
        self.now = 0.0
        self.people: dict[str, Person] = {}
        self.estimator = WaitEstimator()
        self.admissions: deque[float] = deque(maxlen=600)
        self.services: list[float] = []
        buckets = {
            budget: TrueBucket(limit, limit * min(1.0, scenario.true_burst_s / 60))
            for budget, limit in scenario.true_limits.items()
        }
        self.provider = Provider(scenario.limits.charge, buckets)
        self.random = random.Random(seed)
        self._dice = random.Random(seed + 999)
        self._events: list[tuple[float, int, Callable[..., Any], tuple[Any, ...]]] = []
        self._count = 0
        self._timer = math.inf
        self._clock_ms = -1
        self._begun = 0
        self.on_probe: Callable[[Person, Snapshot, Forecast], None] = lambda *_: None
        self.on_again: Callable[[Person, Forecast], None] = lambda *_: None
        self.on_snapshot: Callable[[Snapshot], None] = lambda *_: None
        self.on_start: Callable[[Person], None] = lambda *_: None

    def at(self, when: float, what: Callable[..., Any], *arguments: Any) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, what, arguments))

    async def open(self) -> None:
        await self._tick_clock()
        await self.store.open("world", self.scenario.limits, 3600)
        await self.store.close("world")

    async def run(self, seconds: float) -> None:
        self.plan(seconds)
        await self.open()
        while self._events and self._events[0][0] <= seconds:
            await self.step()

    async def finish(self) -> None:
        while self._events:
            await self.step()

    async def step(self) -> None:
        when, _, what, arguments = heapq.heappop(self._events)
        self.now = max(self.now, when)
        await self._tick_clock()
        await what(*arguments)

    def waiting(self) -> int:
        return len(self.people) - self._begun

    async def _tick_clock(self) -> None:
        # The lane counts in whole milliseconds; rounding up keeps its time from being behind the provider's.
        clock = START_MS + math.ceil(self.now * 1000 - 1e-6)
        if clock != self._clock_ms:
            self._clock_ms = clock
            await self.store.set_clock(clock)

    # What will happen

    def plan(self, seconds: float) -> None:
        """Draws in the order of the simulation with which the goals were set (shared/reference/eta_sim.py): the same
        seed is the same day. What only this world needs is drawn elsewhere."""
        chosen, dice = self.scenario, self.random
        now = 0.0
        while now < seconds:
            rate = chosen.per_s * (1 + chosen.swing * math.sin(2 * math.pi * now / 2400))
            now += dice.expovariate(rate)
            self.at(now, self.arrive, self._somebody())
        for when in self._moments(chosen.burst_every_s, seconds):
            for _ in range(dice.randint(*chosen.burst)):
                self.at(when + dice.random() * 8, self.arrive, HEAVY if chosen.burst_of_heavy else self._somebody())
        for when in self._moments(chosen.sulk_every_s, seconds):
            self.at(when, self._sulk, dice.uniform(10, 30))

    def _somebody(self) -> str:
        number = self.random.randrange(1, (self.scenario.users or USERS) + 1)
        return f"user{number}" if self.scenario.users else ""

    def _moments(self, every_s: float, until: float) -> Iterator[float]:
        now = self.random.expovariate(1 / every_s) if every_s else math.inf
        while now < until:
            yield now
            now += self.random.expovariate(1 / every_s)

    def slowness(self) -> float:
        return 1.7 if self.scenario.slow and self.now % 3600 > 2400 else 1.0

    async def _sulk(self, seconds: float) -> None:
        self.provider.sulk(self.now + seconds)

    # What people do

    async def arrive(self, user: str) -> None:
        chosen, dice = self.scenario, self.random
        name = f"g{len(self.people):06}"
        output = int(min(4096, self._dice.lognormvariate(*chosen.output))) if chosen.output else chosen.output_mean
        # Long answers take longer: the pace of the tokens is what varies otherwise.
        seconds = dice.lognormvariate(*chosen.service)
        probe = dice.random() < chosen.probe
        patience_s = dice.lognormvariate(*chosen.patience) if chosen.patience and not probe else None
        person = Person(name, user or name, self.now, max(1, output), seconds, probe, patience_s)
        self.people[name] = person
        tokens_in = 1000 if chosen.limits.charge is ChargeMode.AS_PRODUCED else 5096
        request = Request(name, person.user, tokens_in, chosen.output_mean, 1000)
        await self._take((await self.store.enqueue(request)).drained)
        if person.state != "waits":
            return
        if patience_s is not None:
            self.at(self.now + patience_s, self._give_up, name)
        if probe and self.now > chosen.warm_up_s:
            await self._tell(person)

    async def _tell(self, person: Person) -> None:
        seen, forecast = await self.forecast()
        self.on_probe(person, seen, forecast)
        mine = next((item for item in (*forecast.line, *forecast.parked) if item.ticket == person.name), None)
        if mine is not None:
            self.at(self.now + mine.p50_s / 2, self._ask_again, person)

    async def _ask_again(self, person: Person) -> None:
        if person.state == "waits":
            self.on_again(person, (await self.forecast())[1])

    async def forecast(self) -> tuple[Snapshot, Forecast]:
        """As the pacer has it made."""
        seen = await self.store.snapshot(500, self.estimator.events)
        self.on_snapshot(seen)
        return seen, self.estimator.estimate(seen, self._dice.random)

    async def _give_up(self, name: str) -> None:
        if self.people[name].state == "waits":
            answer = await self.store.cancel(name)
            if answer.status == "CANCELLED":
                self.people[name].state = "left"
            await self._take(answer.drained)

    # What workers do

    async def _take(self, drained: Drained) -> None:
        """Whoever is admitted asks the provider; the timer is set for the next."""
        if drained.again_s is not None and not self.now < self._timer <= self.now + drained.again_s:
            self._timer = self.now + drained.again_s
            self.at(self._timer, self._drain, self._timer)
        for ticket in drained.admitted:
            self.at(self.now + self._dice.random() * self.scenario.hand_off_s, self._start, ticket)

    async def _drain(self, timer: float) -> None:
        if timer != self._timer:  # an event since then has set another one
            return
        self._timer = math.inf
        await self._take(await self.store.drain())

    async def _start(self, ticket: Ticket) -> None:
        answer = await self.store.start(ticket, "worker", LEASE_S)
        await self._take(answer.drained)
        if answer.status == "LATER":
            return await self._take(await self.store.drain())
        if answer.status != "OK":
            return None
        return await self._ask(self.people[ticket.generation_id], ticket)

    async def _ask(self, person: Person, ticket: Ticket) -> None:
        chosen = self.scenario
        seconds = person.seconds * self.slowness()
        refusal = self.provider.ask(person.name, self.now, 1000, 5096, (person.output, seconds))
        if refusal is not None:
            seen = self.provider.headers(self.now) if chosen.headers else []
            await self.store.observe(seen)
            explained = not refusal.own_fault or exhausted(seen) is not None
            penalty = Penalty("limit", refusal.retry_after_s, 1.0 if explained else 0.8, self._dice.random() / 2)
            return await self._take((await self.store.requeue(ticket, penalty)).drained)
        person.state, person.ticket, person.started = "runs", ticket, self.now
        self._begun += 1
        self.admissions.append(self.now)
        self.on_start(person)
        _, drained = await self.store.observe(self.provider.headers(self.now) if chosen.headers else [], ticket)
        await self._take(drained)
        if chosen.output or chosen.headers:
            self.at(self.now + BEAT_S, self._beat, person)
        return self.at(self.now + seconds, self._end, person)

    async def _beat(self, person: Person) -> None:
        if person.state == "runs" and person.ticket is not None:
            produced = self.provider.produced(person.name, self.now)
            await self.store.beat([(person.ticket, produced)], LEASE_S)
            self.at(self.now + BEAT_S, self._beat, person)

    async def _end(self, person: Person) -> None:
        assert person.ticket is not None
        assert person.started is not None
        person.state = "done"
        self.provider.end(person.name, self.now)
        self.services.append(self.now - person.started)
        used = Used(1000, person.output, 1000)
        await self._take((await self.store.settle(person.ticket, used, good=True)).drained)
