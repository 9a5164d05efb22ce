"""Announced waits against actual ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from streaming.eta_run import Lane
from streaming.lane_snapshot import Snapshot
from streaming.wait_estimator import Forecast, Kind, WaitEstimator
from tests.bench.lanes import formulas
from tests.bench.lanes.world import HEAVY, Person, Scenario, World

TOLERANCE_S = 0.5


@dataclass(slots=True)
class Score:
    """Of one estimator: (actual, p50, p90) per probe. A single number is its own upper bound."""

    waits: list[tuple[float, float, float]] = field(default_factory=list)

    def mae(self) -> float:
        return mean(abs(p50 - actual) for actual, p50, _ in self.waits)

    def mape(self) -> float:
        return 100 * mean(abs(p50 - actual) / actual for actual, p50, _ in self.waits if actual > 5)

    def kept(self) -> float:
        return 100 * mean(actual <= p90 + TOLERANCE_S for actual, _, p90 in self.waits)

    def within(self, seconds: float) -> float:
        return 100 * mean(abs(p50 - actual) <= seconds for actual, p50, _ in self.waits)

    def width(self) -> float:
        return mean(p90 - p50 for _, p50, p90 in self.waits)

    def actual(self) -> float:
        return mean(actual for actual, _, _ in self.waits)

    def after(self, count: int) -> Score:
        return Score(self.waits[count:])


class OmniscientEstimator(WaitEstimator):
    """Knows the true service times and the true rates, which nobody can: what is left is chance alone."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        truth = world.random.__class__(5)
        self._truth = sorted(truth.lognormvariate(*world.scenario.service) for _ in range(3000))

    def learn(self, seen: Snapshot) -> None:
        """Each snapshot has only what is new since the one before."""
        self._history.learn(seen.history)

    def _lane(self, seen: Snapshot, asking: Any) -> Lane:
        lane = super()._lane(seen, asking)
        slowness = self._world.slowness()
        services = self._truth if slowness == 1 else [value * slowness for value in self._truth]
        rates = [
            bucket._replace(rate=min(bucket.rate, limit / 60))
            for bucket, limit in zip(lane.buckets, self._true_limits(seen), strict=True)
        ]
        return replace(lane, services_s=services, buckets=rates)

    def _true_limits(self, seen: Snapshot) -> list[float]:
        limits = {str(budget): limit for budget, limit in self._world.scenario.true_limits.items()}
        return [limits.get(letter, math.inf) for letter in seen.buckets]

    def _factors(self, seen: Snapshot) -> dict[Kind, tuple[float, float]]:
        return dict.fromkeys(super()._factors(seen), (1.0, 1.0))


class Scorer:
    """Watches one world's probes."""

    NAMES = ("ours", "floor", "gradio", "cloudflare")

    def __init__(self, world: World, *, with_floor: bool = True) -> None:
        self._world = world
        self._floor = OmniscientEstimator(world) if with_floor else None
        self._told: dict[str, dict[str, tuple[float, float]]] = {}
        self._again: dict[str, tuple[float, float]] = {}
        self.scores = {who: {name: Score() for name in self.NAMES} for who in ("all", "light", "heavy")}
        self.live = Score()
        #: Live numbers half way through, and those of them above the first p90.
        self.live_asked = self.live_raised = 0
        if self._floor is not None:
            world.on_snapshot = self._floor.learn
        world.on_probe, world.on_again, world.on_start = self._on_probe, self._on_again, self._on_start

    def _on_probe(self, person: Person, seen: Snapshot, forecast: Forecast) -> None:
        mine = next((item for item in (*forecast.line, *forecast.parked) if item.ticket == person.name), None)
        if mine is None or not math.isfinite(mine.p90_s):
            return
        told = {"ours": (mine.p50_s, mine.p90_s)}
        if self._floor is not None:
            truth = self._floor.estimate(replace(seen, history=[]), self._world.random.__class__(7).random)
            best = next(item for item in (*truth.line, *truth.parked) if item.ticket == person.name)
            told["floor"] = (best.p50_s, best.p90_s)
        for name, number in (
            ("gradio", formulas.gradio(mine.ahead, seen, self._world.services)),
            ("cloudflare", formulas.cloudflare(mine.ahead, self._world.admissions, self._world.now)),
        ):
            told[name] = (number, number)
        self._told[person.name] = told

    def _on_again(self, person: Person, forecast: Forecast) -> None:
        told = self._told.get(person.name)
        mine = next((item for item in (*forecast.line, *forecast.parked) if item.ticket == person.name), None)
        if told is not None and mine is not None:
            self._again[person.name] = (mine.p50_s, mine.p90_s)
            self.live_asked += 1
            waited = self._world.now - person.at
            self.live_raised += waited + mine.p50_s > told["ours"][1] + TOLERANCE_S

    def _on_start(self, person: Person) -> None:
        told = self._told.pop(person.name, None)
        if told is None:
            return
        actual = self._world.now - person.at
        for name, (p50, p90) in told.items():
            for who in ("all", "heavy" if person.user == HEAVY else "light"):
                self.scores[who][name].waits.append((actual, p50, p90))


def merged(scorers: list[Scorer], who: str = "all") -> dict[str, Score]:
    return {
        name: Score([wait for scorer in scorers for wait in scorer.scores[who][name].waits]) for name in Scorer.NAMES
    }


def mean(values: Any) -> float:
    listed = [float(value) for value in values]
    return sum(listed) / len(listed) if listed else math.nan


__all__ = ["Scenario", "Score", "Scorer", "merged"]
