"""How long it took until things went on after each fault, read from the history. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tests.reliability.history import TERMINAL_KINDS, Entry

#: The silence that a fault causes begins at most so long after it: what was on its way still arrives.
BEGINS_WITHIN_S = 1.0
PUT_OUT_WITHIN_S = 1.5
_SIGNS = TERMINAL_KINDS | {"stream.delta", "stream.started", "stream.snapshot"}


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that happened: to which streams and readers, from when to when (monotonic)."""

    kind: str
    target: str
    at: float
    ended_at: float
    streams: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()


def recovery_times(faults: Iterable[Injected], entries: list[Entry]) -> dict[str, list[float]]:
    """Kind of fault → seconds from its end until each stream that it hit went on, or each reader was back."""
    signs, steps = defaultdict[str, list[float]](list), defaultdict[str, list[Entry]](list)
    for entry in entries:
        if entry.op == "recv" and entry.kind in _SIGNS:
            signs[entry.stream].append(entry.t)
        steps[entry.client].append(entry)
    ends = {entry.stream: entry.t for entry in reversed(entries) if entry.op == "recv" and entry.kind in TERMINAL_KINDS}
    times = defaultdict[str, list[float]](list)
    for fault in faults:
        for stream in fault.streams:
            until = ends.get(stream) if fault.kind == "stop" else _silence_after(fault.at, signs[stream])
            if until is not None and until > fault.at:
                times[fault.kind].append(max(0.0, until - fault.ended_at))
        for client in fault.clients or _put_out(fault, entries):
            if (back := _back(fault, steps[client])) is not None:
                times[fault.kind].append(back - fault.ended_at)
    return dict(times)


def _put_out(fault: Injected, entries: list[Entry]) -> set[str]:
    """Whose sockets a web process took with it."""
    if not fault.target.startswith("web"):
        return set()
    until = fault.at + PUT_OUT_WITHIN_S
    return {entry.client for entry in entries if entry.op == "close" and fault.at <= entry.t <= until}


def _silence_after(at: float, signs: list[float]) -> float | None:
    """When the longest silence ended that began around `at`; None if the stream had ended, or nobody heard more."""
    before = max((t for t in signs if t <= at), default=None)
    if before is None:
        return None
    later = [t for t in signs if t > at]
    gaps = [
        (end - start, end) for start, end in zip([before, *later], later, strict=False) if start <= at + BEGINS_WITHIN_S
    ]
    return max(gaps)[1] if gaps else None


def _back(fault: Injected, steps: list[Entry]) -> float | None:
    """After a cut: when the reader was connected again, and had its streams if it followed some."""
    if fault.ended_at > fault.at:
        return next((entry.t for entry in steps if entry.t > fault.ended_at), None)
    after = [entry for entry in steps if entry.t > fault.at]
    connect = next((number for number, entry in enumerate(after) if entry.op == "connect"), None)
    if connect is None:
        return None
    subscribed = next((entry for entry in after[connect:] if entry.op in ("sub", "close")), None)
    return subscribed.t if subscribed is not None and subscribed.op == "sub" else after[connect].t


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(share * len(ordered) + 0.999999) - 1))]
