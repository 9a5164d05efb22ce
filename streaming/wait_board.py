"""One small picture of a lane's waits: made once per tick, read by each web process for its own people. Pure.

The picture is a grid of places with their estimates: the first ones exactly, then ever fewer. Whoever knows a ticket's
place (it never changes) finds its wait between two points of the grid. Nobody's id is in it.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from streaming.lane_snapshot import Place
from streaming.wait_estimator import Forecast, WaitEstimate

EXACT: Final = 16
POINTS_MAX: Final = 64
PARKED_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Wait:
    """A place's wait. `why`: open, own (an answer of the user's own must end first), or why the lane is closed: paused,
    overloaded, probing, held (by an administrator), blocked. `p50_s` None: nobody can tell. `resume_s`: when a closed
    lane opens, if known."""

    ahead: int
    p50_s: float | None
    p90_s: float | None
    why: str = "open"
    resume_s: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    place: Place
    ahead: int
    p50_s: float
    p90_s: float


@dataclass(frozen=True, slots=True)
class Board:
    lane: str
    now_ms: int
    depth: int
    closed: str
    closed_s: float
    blocked: str
    newcomer: tuple[int, float, float]
    grid: tuple[Point, ...]
    #: By their places' seq.
    parked: dict[int, tuple[float, float]]
    _places: list[Place] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Once per board, not once per look-up: a web process asks it for each of its waiting people.
        object.__setattr__(self, "_places", [point.place for point in self.grid])

    def wait(self, place: Place) -> Wait:
        """The wait at a place, which need not be one of the grid: between two points, or behind the last one."""
        if (own := self.parked.get(place.seq)) is not None:
            return self._wait(0, *own, why="own")
        at = bisect_left(self._places, place)
        if at < len(self.grid) and self.grid[at].place == place:
            point = self.grid[at]
            return self._wait(point.ahead, point.p50_s, point.p90_s)
        if at == 0:
            return self._wait(0, *self._front())
        if at == len(self.grid):
            return self._wait(self.depth, self.grid[-1].p50_s, self.grid[-1].p90_s)
        return self._between(self.grid[at - 1], self.grid[at], place)

    def present(self) -> Wait:
        """What somebody who asks now, for the first time, would wait."""
        return self._wait(*self.newcomer)

    def _between(self, low: Point, high: Point, place: Place) -> Wait:
        key = 0 if high.place.tag > low.place.tag else 1
        share = (place[key] - low.place[key]) / max(1, high.place[key] - low.place[key])
        share = min(1.0, max(0.0, share))
        ahead = low.ahead + round(share * (high.ahead - low.ahead))
        p50_s = low.p50_s + share * (high.p50_s - low.p50_s)
        return self._wait(ahead, p50_s, low.p90_s + share * (high.p90_s - low.p90_s))

    def _front(self) -> tuple[float, float]:
        return (self.grid[0].p50_s, self.grid[0].p90_s) if self.grid else self.newcomer[1:]

    def _wait(self, ahead: int, p50_s: float, p90_s: float, why: str = "open") -> Wait:
        known = math.isfinite(p90_s)
        return Wait(
            ahead=ahead,
            p50_s=p50_s if known else None,
            p90_s=p90_s if known else None,
            why=self.closed or why,
            resume_s=self.closed_s if self.closed and self.closed_s > 0 else None,
            message=self.blocked,
        )

    def encode(self) -> str:
        """About 2 kB of JSON; seconds in tenths, null where they are not known."""
        return json.dumps(
            {
                "lane": self.lane,
                "at": self.now_ms,
                "depth": self.depth,
                "closed": [self.closed, round(self.closed_s, 1), self.blocked],
                "newcomer": [self.newcomer[0], *map(_tenths, self.newcomer[1:])],
                "grid": [
                    [*point.place, point.ahead, _tenths(point.p50_s), _tenths(point.p90_s)] for point in self.grid
                ],
                "parked": [[seq, *map(_tenths, waits)] for seq, waits in self.parked.items()],
            },
            separators=(",", ":"),
        )

    @classmethod
    def decode(cls, text: str) -> Board:
        data = json.loads(text)
        closed, closed_s, blocked = data["closed"]
        ahead, p50, p90 = data["newcomer"]
        return cls(
            lane=data["lane"],
            now_ms=data["at"],
            depth=data["depth"],
            closed=closed,
            closed_s=closed_s,
            blocked=blocked,
            newcomer=(ahead, _seconds(p50), _seconds(p90)),
            grid=tuple(
                Point(Place(tag, seq), ahead, _seconds(p50), _seconds(p90))
                for tag, seq, ahead, p50, p90 in data["grid"]
            ),
            parked={seq: (_seconds(p50), _seconds(p90)) for seq, p50, p90 in data["parked"]},
        )


def draw_board(lane: str, forecast: Forecast) -> Board:
    seen, newcomer = forecast.seen, forecast.newcomer
    parked = sorted(forecast.parked, key=lambda estimate: estimate.p50_s)[:PARKED_MAX]
    return Board(
        lane=lane,
        now_ms=seen.now_ms,
        depth=seen.depth,
        closed=seen.closed,
        closed_s=seen.closed_s,
        blocked=seen.blocked or seen.held_why,
        newcomer=(newcomer.ahead, newcomer.p50_s, newcomer.p90_s),
        grid=tuple(Point(item.place, item.ahead, item.p50_s, item.p90_s) for item in _thin_out(forecast.line)),
        parked={item.place.seq: (item.p50_s, item.p90_s) for item in parked},
    )


def _thin_out(line: Sequence[WaitEstimate]) -> list[WaitEstimate]:
    """The first ones, then geometrically, and always the last one."""
    if len(line) <= POINTS_MAX:
        return list(line)
    step = (len(line) / EXACT) ** (1 / (POINTS_MAX - EXACT - 1))
    chosen = set(range(EXACT)) | {min(len(line) - 1, int(EXACT * step**n)) for n in range(POINTS_MAX - EXACT)}
    return [line[n] for n in sorted(chosen | {len(line) - 1})]


def _tenths(seconds: float) -> float | None:
    return round(seconds, 1) if math.isfinite(seconds) else None


def _seconds(value: float | None) -> float:
    return math.inf if value is None else value
