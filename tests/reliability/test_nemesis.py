"""The schedule of a chaos run, and the times it measures: pure, so all of it is told in microseconds."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest

from tests.reliability.chaos import READERS
from tests.reliability.history import Entry
from tests.reliability.nemesis import CLIENT_KINDS, KINDS, PROCESS_KINDS, Fault, Pace, schedule
from tests.reliability.recovery import Injected, percentile, recovery_times

YOUNG_S = 10.0  # a child of the demo that dies within so much of its start, five times in a row, ends the demo


def test_the_same_seed_is_the_same_schedule() -> None:
    assert schedule("3/0", 60, READERS) == schedule("3/0", 60, READERS)
    assert schedule("3/0", 60, READERS) != schedule("3/1", 60, READERS)


@pytest.mark.parametrize("seed", range(10))
def test_what_is_down_has_time_to_stand_up(seed: int) -> None:
    rest_s = {kind.name: kind.rest_s for kind in KINDS}
    of_target = defaultdict[str, list[Fault]](list)
    for fault in schedule(str(seed), 600, READERS):
        of_target[fault.target].append(fault)
    for faults in of_target.values():
        for before, after in pairwise(faults):
            assert after.at_s >= before.ends_s + rest_s[before.kind]


@pytest.mark.parametrize("kind", [kind for kind in PROCESS_KINDS if "SIGKILL" in kind.name or "SIGTERM" in kind.name])
def test_no_child_dies_young(kind: object) -> None:
    assert kind.rest_s > YOUNG_S  # type: ignore[attr-defined]


def test_every_kind_comes_and_they_overlap() -> None:
    faults = schedule("1", 600, READERS)
    assert {fault.kind for fault in faults} == {kind.name for kind in KINDS}
    lasting = [fault for fault in faults if fault.lasts_s]
    assert any(one.at_s < other.at_s < one.ends_s for one in lasting for other in faults if one.target != other.target)


def test_more_faults_of_clients_leave_the_processes_alone() -> None:
    of_clients = {kind.name for kind in CLIENT_KINDS}
    usual, more = (schedule("1", 300, READERS, Pace(clients=times)) for times in (1.0, 3.0))
    processes = [[fault for fault in faults if fault.kind not in of_clients] for faults in (usual, more)]
    assert processes[0] == processes[1] != []
    assert sum(fault.kind in of_clients for fault in more) > 1.5 * sum(fault.kind in of_clients for fault in usual)


def heard(t: float, kind: str = "stream.delta", client: str = "ann/0") -> Entry:
    return Entry(t, client, 1, "recv", "s", kind=kind)


def test_a_stream_went_on_when_its_silence_ended() -> None:
    entries = [heard(0.9), heard(1.05), heard(1.1), heard(9.0), heard(9.1), heard(30.0)]  # 1.05: was on its way
    killed = Injected("worker SIGKILL", "worker 1", 1.0, 1.0, ("s",))
    paused = Injected("Valkey paused", "valkey", 1.0, 8.0, ("s",))
    ended = Injected("Valkey FLUSHALL", "valkey", 40.0, 40.0, ("s",))
    assert recovery_times([killed, paused, ended], entries) == {"worker SIGKILL": [8.0], "Valkey paused": [1.0]}


def test_a_reader_is_back_when_it_has_its_stream_again() -> None:
    steps = [(2.0, "close"), (2.2, "connect"), (2.5, "sub"), (7.0, "close"), (7.5, "connect"), (8.0, "close")]
    entries = [Entry(t, "ann/0", 1, op) for t, op in steps]  # type: ignore[arg-type]
    cuts = [Injected("client cut", "ann/0", at, at, (), ("ann/0",)) for at in (2.0, 7.0)]
    assert recovery_times(cuts, entries) == {"client cut": [0.5, 0.5]}


def test_whom_a_web_process_put_out_is_read_from_the_history() -> None:
    steps = [("ann/0", 1.1, "close"), ("ann/0", 1.4, "connect"), ("bob/0", 9.0, "close"), ("bob/0", 9.1, "connect")]
    entries = [Entry(t, client, 1, op) for client, t, op in steps]  # type: ignore[arg-type]
    times = recovery_times([Injected("web SIGKILL", "web 1", 1.0, 1.0)], entries)
    assert times == {"web SIGKILL": [pytest.approx(0.4)]}


def test_a_stop_took_until_the_end_was_told() -> None:
    entries = [heard(1.0), heard(1.2), heard(1.3, "stream.stopped"), heard(1.4, "stream.stopped", "bob/0")]
    times = recovery_times([Injected("stop", "streams", 1.1, 1.1, ("s",))], entries)
    assert times == {"stop": [pytest.approx(0.2)]}


def test_percentiles() -> None:
    assert [percentile([4.0, 1.0, 3.0, 2.0], share) for share in (0.5, 0.95, 1.0)] == [2.0, 4.0, 4.0]
    assert percentile([7.0], 0.5) == 7.0
