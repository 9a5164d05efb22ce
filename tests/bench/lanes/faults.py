"""G9: callers that die between drain and publish, doubled messages, dead workers, a late pacer, a loss of memory.

Nobody may be lost, run twice or lose the place, and never may more run than the lane allows. Rows are what `people`
knows of themselves; the lane knows only what its keys hold.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace

from streaming.lane_snapshot import Place
from streaming.lane_store import LaneStore
from streaming.lane_values import Drained, LaneLost, Penalty, Request, Restored, Ticket, Used
from tests.bench.lanes.scenarios import NONE
from tests.bench.lanes.world import START_MS, Person, Scenario, World, lognormal

SLOTS = 6
REAPED_AFTER_S = 15.0
PACER_DEAD_S = 3.0
WORLD = Scenario(
    "faults", replace(NONE, concurrency=SLOTS), per_s=0.4, swing=0.2, users=12, service=lognormal(12, 0.8), probe=0.0
)


@dataclass(slots=True)
class Damage:
    people: int = 0
    never_answered: int = 0
    ran_twice: int = 0
    too_many: int = 0
    out_of_place: int = 0
    #: Seconds until a ticket that was hit is admitted again, or back in its place.
    hand_off_s: list[float] = field(default_factory=list)
    worker_s: list[float] = field(default_factory=list)
    memory_losses: int = 0
    doubled: int = 0


class FaultyWorld(World):
    def __init__(self, store: LaneStore, seed: int) -> None:
        super().__init__(store, WORLD, seed)
        self.damage = Damage()
        self._places: dict[str, Place | None] = {}
        self._hit: dict[str, float] = {}
        self._running: set[str] = set()
        self._paced_at = 0.0

    # The pacer: a drain per second, sometimes by a new holder, who comes late.

    async def pace(self) -> None:
        dead = self._dice.random() < 0.02
        self.at(self.now + (PACER_DEAD_S if dead else 1.0), self.pace)
        try:
            await self._take(await self.store.drain())
        except LaneLost:
            await self._rebuild()

    async def _rebuild(self) -> None:
        """As the pacer does it from rows: running ones with their admissions, waiting ones with their places."""
        token = f"epoch {self.now:.3f}"
        assert await self.store.open(token, WORLD.limits, 0) == "OK"
        rows = [self._row(person) for person in self.people.values() if person.state in ("waits", "handed", "runs")]
        await self.store.restore(token, rows)
        await self._take((await self.store.close(token)).drained)

    def _row(self, person: Person) -> Restored:
        running, admission = person.state == "runs", person.ticket.admission if person.ticket else 0
        if not running:
            person.state = "waits"
            self._is_back(person, self.damage.hand_off_s)
        began = START_MS + round((person.started or 0) * 1000) if running else 0
        queued = START_MS + round(person.at * 1000)
        return Restored(self._request(person), running, self._places.get(person.name), admission, queued, began)

    def _request(self, person: Person) -> Request:
        return Request(person.name, person.user, 1000, 600, 1000)

    async def forget(self) -> None:
        """The server is restarted without its memory."""
        self.damage.memory_losses += 1
        clock = self._clock_ms
        await self.store._client.flushall()
        await self.store.set_clock(clock)

    # People

    async def arrive(self, user: str) -> None:
        dice = self.random
        name = f"g{len(self.people):06}"
        person = Person(name, user or name, self.now, 600, dice.lognormvariate(*WORLD.service), False, None)
        self.people[name] = person
        try:
            answer = await self.store.enqueue(self._request(person))
        except LaneLost:
            return
        self._places[name] = answer.place
        await self._take(answer.drained)

    # Workers

    async def _take(self, drained: Drained) -> None:
        for ticket in drained.admitted:
            person = self.people[ticket.generation_id]
            self._check_place(person)
            person.state = "handed"
            self._is_back(person, self.damage.hand_off_s)
            fate = self._dice.random()
            if fate < 0.03:  # whoever drained dies before it publishes
                self._hit[person.name] = self.now
                continue
            self.at(self.now + self._dice.random() * 0.2, self._start, ticket)
            if fate > 0.97:  # the message comes twice
                self.damage.doubled += 1
                self.at(self.now + self._dice.random() * 8, self._start, ticket)

    def _is_back(self, person: Person, delays: list[float]) -> None:
        """In the line again, or out of it by an admission."""
        if (since := self._hit.pop(person.name, None)) is not None:
            delays.append(self.now - since)

    def _check_place(self, person: Person) -> None:
        """Nobody with an earlier place waits. Those who have not got one yet, or were just handed out, do not count."""
        mine = self._places.get(person.name)
        earlier = (
            place
            for name, place in self._places.items()
            if self.people[name].state == "waits" and place is not None and mine is not None and place < mine
        )
        self.damage.out_of_place += any(True for _ in earlier)

    async def _start(self, ticket: Ticket) -> None:
        person = self.people[ticket.generation_id]
        try:
            answer = await self.store.start(ticket, f"worker {self._dice.random()}")
        except LaneLost:
            return
        if answer.status != "OK" or person.state == "done":
            return
        if person.name in self._running:
            self.damage.ran_twice += 1
        self._running.add(person.name)
        self.damage.too_many += len(self._running) > SLOTS
        person.state, person.ticket, person.started = "runs", ticket, self.now
        lasts = person.seconds
        if self._dice.random() < 0.04:
            self.at(self.now + lasts * self._dice.random(), self._die, person)
        else:
            self.at(self.now + lasts, self._finish, person, ticket)
        self.at(self.now + 2.0, self._beat_of, person, ticket)

    async def _beat_of(self, person: Person, ticket: Ticket) -> None:
        if person.state == "runs" and person.ticket == ticket and person.name in self._running:
            with suppress(LaneLost):
                assert await self.store.beat([(ticket, 10)]) == [True]
            self.at(self.now + 2.0, self._beat_of, person, ticket)

    async def _die(self, person: Person) -> None:
        """The connection to the provider falls with the worker; the reaper finds the row some time later."""
        self._running.discard(person.name)
        self._hit[person.name] = self.now
        self.at(self.now + REAPED_AFTER_S, self._reap, person)

    async def _reap(self, person: Person) -> None:
        person.state, person.ticket = "waits", None
        self._is_back(person, self.damage.worker_s)
        with suppress(LaneLost):
            await self._take((await self.store.requeue(Ticket(person.name, 0), Penalty())).drained)

    async def _finish(self, person: Person, ticket: Ticket) -> None:
        self._running.discard(person.name)
        person.state = "done"
        try:
            answer = await self.store.settle(ticket, Used(1000, 600, 1000), good=True)
        except LaneLost:
            return
        assert answer.status == "OK", answer
        await self._take(answer.drained)


async def damage_of(store: LaneStore, seconds: float, seed: int) -> Damage:
    world = FaultyWorld(store, seed)
    world.plan(seconds)
    world.at(0.0, world.pace)
    for share in (0.3, 0.55, 0.8):
        world.at(seconds * share, world.forget)
    await world.open()
    end = seconds + 1200
    while world.now < end and any(True for _ in world._events):
        await world.step()
    world.damage.people = len(world.people)
    world.damage.never_answered = sum(person.state != "done" for person in world.people.values())
    return world.damage
