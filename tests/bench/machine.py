"""What the machine is, and how much processor time processes used, read from /proc."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
from collections.abc import Collection
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class NotMeasured(Exception):
    """The benchmark could not measure, or what came out was wrong. Its text is all that people see."""


def describe() -> str:
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} × {_processor()}, {_memory_gb():.0f} GB, {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the start"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def cpu_s(pid: int) -> float:
    """Processor seconds of a process so far, those of its ended children included. Raises NotMeasured."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        raise NotMeasured(f"process {pid} is gone") from None
    # The second field, the name, may hold spaces and brackets; user, system and the children's times are 14 to 17.
    values = stat.rpartition(")")[2].split()[11:15]
    return sum(map(int, values)) / TICKS_PER_S


def family_cpu_s(pid: int) -> float:
    """The same with what it has started and still runs."""
    return cpu_s(pid) + sum(map(family_cpu_s, _children(pid)))


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


class CpuClock:
    """Processor seconds of named processes since it was made; of `families` with their children."""

    def __init__(self, pids: dict[str, int], families: Collection[str] = ()) -> None:
        self._pids, self._families = pids, families
        self._started = self._read()

    def _read(self) -> dict[str, float]:
        return {name: (family_cpu_s if name in self._families else cpu_s)(pid) for name, pid in self._pids.items()}

    def read(self) -> dict[str, float]:
        now = self._read()
        return {name: now[name] - started for name, started in self._started.items()}


def resident_kb(pid: int) -> float:
    """Memory of a process that is in RAM now, in units of 1,000 bytes. Raises NotMeasured."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        raise NotMeasured(f"process {pid} is gone") from None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1000


def allow_files(count: int) -> None:
    """So many open files, in this process and those that it starts. Raises NotMeasured."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    try:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (count, max(hard, count) if hard != resource.RLIM_INFINITY else hard)
        )
    except (ValueError, OSError):
        raise NotMeasured(f"{count} open files are not allowed here: ulimit -n is {soft}, at most {hard}") from None
