"""G7: ten thousand requests against a provider's own buckets: no refusal that we earned, and its limit is used."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streaming.lane_limits import Budget, ChargeMode
from streaming.lane_store import LaneStore
from tests.bench.lanes.scenarios import NONE
from tests.bench.lanes.world import Scenario, World, lognormal

AS_PRODUCED = Scenario(
    "as produced",
    replace(NONE, requests_per_minute=600, output_tokens_per_minute=240_000, burst_s=10, concurrency=400),
    {Budget.REQUESTS: 600, Budget.OUTPUT: 240_000},
    output=lognormal(600, 1.2),
    headers=True,
    probe=0.0,
    hand_off_s=0.3,
)
RESERVE_MAX = Scenario(
    "reserve max",
    replace(
        NONE, input_tokens_per_minute=2_000_000, requests_per_minute=600, burst_s=10, charge=ChargeMode.RESERVE_MAX
    ),
    {Budget.INPUT: 2_000_000, Budget.REQUESTS: 600},
    headers=True,
    probe=0.0,
    hand_off_s=0.3,
)


@dataclass(frozen=True, slots=True)
class Discipline:
    requests: int
    refusals: int
    #: Share of the binding limit that was used while people waited.
    used: float


async def backlog(store: LaneStore, scenario: Scenario, requests: int) -> Discipline:
    """Everybody asks in the first seconds; the line is then never empty until nearly the end."""
    world = World(store, scenario, seed=11)
    await world.open()
    for n in range(requests):
        world.at(n / 500, world.arrive, f"user{n % 40}")
    measured_from, measured_to = 30.0, 0.0
    before: dict[Budget, float] = {}
    after = before
    while world.waiting() or not world.people:
        await world.step()
        if not before and world.now >= measured_from:
            before, measured_from = world.provider.used(), world.now
        if world.waiting() > 100:
            measured_to, after = world.now, world.provider.used()
    await world.finish()
    seconds = measured_to - measured_from
    shares = [
        (after[budget] - before[budget]) / (bucket.per_minute / 60 * seconds)
        for budget, bucket in world.provider.buckets.items()
    ]
    return Discipline(len(world.people), world.provider.refusals_we_earned, max(shares))
