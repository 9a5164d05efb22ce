from __future__ import annotations

import pytest

from streaming.states import LIVE, RUNNING, TERMINAL, TRANSITIONS, Status, sources_of

#: The picture in the design, written out.
MOVES = {
    "queued": {"admitted", "stopped", "expired", "failed"},
    "admitted": {"streaming", "queued", "stopped", "failed", "expired", "completed"},
    "streaming": {"queued", "completed", "stopped", "interrupted"},
    "completed": set(),
    "stopped": set(),
    "interrupted": set(),
    "failed": set(),
    "expired": set(),
}


def test_the_table_is_that_of_the_design() -> None:
    assert {str(source): {str(target) for target in targets} for source, targets in TRANSITIONS.items()} == MOVES


@pytest.mark.parametrize("status", Status)
def test_every_state_is_live_or_terminal(status: Status) -> None:
    assert (status in LIVE) is not (status in TERMINAL)
    assert (status in TERMINAL) is (not TRANSITIONS[status])


def test_the_running_ones_have_a_worker() -> None:
    assert {Status.ADMITTED, Status.STREAMING} == RUNNING


@pytest.mark.parametrize("target", Status)
def test_sources_are_the_table_read_backwards(target: Status) -> None:
    assert sources_of(target) == {Status(source) for source, targets in MOVES.items() if target in targets}


def test_every_end_can_be_reached_from_the_beginning() -> None:
    reached, front = {Status.QUEUED}, {Status.QUEUED}
    while front:
        front = {target for source in front for target in TRANSITIONS[source]} - reached
        reached |= front
    assert reached == set(Status)
