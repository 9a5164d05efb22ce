"""Which fault happens when: a schedule made from a seed. Pure: the same seed is the same schedule.

Faults overlap as they like, with two exceptions that keep the run about the platform: what is down already is not hit
again before it had time to stand up, and the demo's supervisor (which gives up a child that dies five times within ten
seconds of its starts) is not what is tested.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """One of its kind about every `every_s`; whatever it hits (one of `targets`) then has `rest_s` to stand up."""

    name: str
    every_s: float
    targets: tuple[str, ...]
    rest_s: float
    #: How long it lasts, shortest and longest.
    lasts_s: tuple[float, float] = (0.0, 0.0)


WORKERS: Final = ("worker 1", "worker 2")
WEBS: Final = ("web 1", "web 2")
VALKEY: Final = ("valkey",)
#: Targets that begin with this are replaced by the run's readers.
READERS: Final = ("readers",)
#: Longer than a lease lasts, shorter than a provider may be silent.
FROZEN_S: Final = (11.0, 15.0)

PROCESS_KINDS: Final = (
    Kind("worker SIGKILL", 14, WORKERS, 14),
    Kind("worker SIGSTOP beyond its lease", 30, WORKERS, 4, FROZEN_S),
    Kind("worker SIGTERM", 24, WORKERS, 14),
    Kind("web SIGKILL", 16, WEBS, 14),
    Kind("web SIGTERM", 22, WEBS, 16),
    Kind("Valkey SIGKILL, file kept", 30, VALKEY, 14),
    Kind("Valkey SIGKILL, memory lost", 40, VALKEY, 14),
    Kind("Valkey FLUSHALL", 24, VALKEY, 3),
    Kind("Valkey paused", 24, VALKEY, 3, (1.0, 10.0)),
    Kind("database locked", 24, ("database",), 4, (1.0, 8.0)),
)
CLIENT_KINDS: Final = (
    Kind("client cut", 0.9, READERS, 1.5),
    Kind("client closed", 2.5, READERS, 1.5),
    Kind("client reads slowly", 6.0, READERS, 1.0, (1.0, 5.0)),
    Kind("client reads nothing", 9.0, READERS, 1.0, (1.0, 15.0)),
    Kind("stop", 5.0, ("streams",), 0.5),
)
KINDS: Final = PROCESS_KINDS + CLIENT_KINDS


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """`at_s` from the scene's beginning."""

    at_s: float
    kind: str
    target: str
    lasts_s: float

    @property
    def ends_s(self) -> float:
        return self.at_s + self.lasts_s


@dataclass(frozen=True, slots=True)
class Pace:
    """So many times the usual number of faults of processes and of clients, and of the usual time to stand up."""

    processes: float = 1.0
    clients: float = 1.0
    rests: float = 1.0


#: For a scene so short that no child dies five times in it: everything happens within half a minute.
HURRIED: Final = Pace(processes=3.0, clients=0.7, rests=0.25)


def schedule(seed: str, length_s: float, readers: tuple[str, ...], pace: Pace = Pace()) -> list[Fault]:
    """The faults of one scene, in order."""
    chance, faults = random.Random(seed), list[Fault]()
    for kind in KINDS:
        every_s = kind.every_s / (pace.clients if kind in CLIENT_KINDS else pace.processes)
        at_s = chance.expovariate(1 / every_s)
        while at_s < length_s:
            targets = readers if kind.targets == READERS else kind.targets
            faults.append(Fault(at_s, kind.name, chance.choice(targets), chance.uniform(*kind.lasts_s)))
            at_s += chance.expovariate(1 / every_s)
    return _with_rests(sorted(faults), pace.rests)


def _with_rests(faults: list[Fault], rests: float) -> list[Fault]:
    """Without those whose target still suffers from another one."""
    rest_s = {kind.name: kind.rest_s * rests for kind in KINDS}
    free_at, kept = dict[str, float](), list[Fault]()
    for fault in faults:
        if fault.at_s >= free_at.get(fault.target, 0.0):
            kept.append(fault)
            free_at[fault.target] = fault.ends_s + rest_s[fault.kind]
    return kept
