"""Behaviour of the simulation is tested in test_eta; here what one run leaves out, and that it comes to an end."""

from __future__ import annotations

import random

import pytest

from streaming.eta_run import HORIZON_S, Run, Shared
from streaming.lane_snapshot import Bucket
from tests.unit.streaming.eta_lanes import a_lane, a_line


def test_limits_that_cannot_bind_are_left_out() -> None:
    shared = Shared(
        a_lane(
            waiting=a_line(3, needs=(1.0, 100.0)),
            buckets=[Bucket(2, 10, 1), Bucket(300, 10, 1)],
            slots=5,
            user_slots=3,
            typical=(1.0, 100.0),
        )
    )
    assert (shared.caps, shared.slots, shared.capped, shared.certain) == ([10], None, {}, True)


def test_with_newcomers_every_limit_may_bind() -> None:
    shared = Shared(
        a_lane(
            waiting=a_line(2),
            buckets=[Bucket(9, 10, 1)],
            slots=5,
            arrivals_per_s=1.0,
            newcomers=[("x", 5)],
            typical=(1.0,),
        )
    )
    assert (shared.caps, shared.slots, shared.certain) == ([10], 5, False)


def test_a_line_that_newcomers_always_pass_ends_at_the_horizon() -> None:
    lane = a_lane(
        waiting=a_line(2, user="heavy", tag=10**9),
        slots=1,
        services_s=[10.0],
        running=[(0.0, "x")],
        arrivals_per_s=5.0,
        newcomers=[(f"user{n}", 1) for n in range(10_000)],
    )
    starts: list[list[float]] = [[], []]
    Run(Shared(lane), random.Random(1).random, starts).play()
    assert all(samples[0] >= HORIZON_S for samples in starts)


@pytest.mark.parametrize("depth", [1, 700, 3000])
def test_it_takes_one_step_per_ticket_and_one_to_end(depth: int) -> None:
    lane = a_lane(waiting=a_line(depth), slots=1, running=[(0.0, "x")], services_s=[0.1])
    starts: list[list[float]] = [[] for _ in range(depth)]
    assert Run(Shared(lane), random.Random(1).random, starts).play() == depth + 1
