"""What people see: each tick's board goes to a web process as text; each waiting person's announcer speaks or not."""

from __future__ import annotations

from dataclasses import dataclass, field

from streaming.lane_store import LaneStore
from streaming.wait_announcer import Announcement, Announcer
from streaming.wait_board import Board, draw_board
from tests.bench.lanes.world import Person, Scenario, World

TICK_S = 2.0
TOLERANCE_S = 0.5


@dataclass(slots=True)
class Viewer:
    """A person's page: a countdown that starts anew with each announcement."""

    announcer: Announcer = field(default_factory=Announcer)
    first: tuple[float, float] | None = None  # when, and the p90 then
    ends_at: float = 0.0
    sent: int = 0
    climbed_silently: int = 0
    passed_first: bool = False

    def hear(self, said: Announcement, now: float) -> None:
        if said.p50_s is None or said.p90_s is None:
            return
        shown_end = now + said.p50_s
        if self.first is None:
            self.first = (now, said.p90_s)
        elif shown_end > max(now, self.ends_at) + 1e-6 and not said.reason:
            self.climbed_silently += 1
        self.sent += 1
        self.ends_at = shown_end
        late_s = shown_end - self.first[0] - self.first[1]
        self.passed_first |= said.p50_s > 0 and late_s > TOLERANCE_S


@dataclass(slots=True)
class Shown:
    people: int = 0
    kept: int = 0
    passed_first: int = 0
    climbed_silently: int = 0
    sent: int = 0
    board_bytes: int = 0
    spreads: list[tuple[float, float]] = field(default_factory=list)


class ShownWorld(World):
    def __init__(self, store: LaneStore, scenario: Scenario, seed: int) -> None:
        super().__init__(store, scenario, seed)
        self.shown = Shown()
        self._viewers: dict[str, Viewer] = {}
        self.on_start = self._end_of

    async def tick(self) -> None:
        self.at(self.now + TICK_S, self.tick)
        if all(person.state != "waits" for person in self.people.values()):
            return
        seen, forecast = await self.forecast()
        text = draw_board("bench", forecast).encode()
        self.shown.board_bytes = max(self.shown.board_bytes, len(text))
        board = Board.decode(text)
        for item in (*seen.waiting, *seen.parked):
            viewer = self._viewers.setdefault(item.ticket, Viewer())
            said = viewer.announcer.consider(board.wait(item.place), self.now)
            if said is not None:
                if viewer.first is None and said.p50_s is not None and said.p90_s is not None:
                    self.shown.spreads.append((said.p50_s, said.p90_s))
                viewer.hear(said, self.now)

    def _end_of(self, person: Person) -> None:
        viewer = self._viewers.pop(person.name, None)
        if viewer is None or viewer.first is None or self.now < self.scenario.warm_up_s:
            return
        self.shown.people += 1
        self.shown.kept += self.now <= sum(viewer.first) + TOLERANCE_S
        self.shown.passed_first += viewer.passed_first
        self.shown.climbed_silently += viewer.climbed_silently
        self.shown.sent += viewer.sent

    async def _tell(self, person: Person) -> None:
        """Nobody is asked at once here: the tick tells."""


async def shown_of(store: LaneStore, scenario: Scenario, seconds: float, seed: int) -> Shown:
    world = ShownWorld(store, scenario, seed)
    world.at(0.5, world.tick)
    await world.run(seconds)
    return world.shown
