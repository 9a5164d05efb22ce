"""Judges a history: fourteen anomalies, each named after what a person would have suffered.

The one announced exception: a worker is lost, and before another one has taken its answer over Redis loses its memory
too (or the other way round, within one checkpoint interval). What was shown after the last checkpoint is then nowhere
any more. It is allowed if the reader is told (`recovered: false`), counted, and listed apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from streaming.events import START, Position
from tests.reliability.history import TERMINAL_KINDS, Entry, RowTruth, Truth, sha8

RULES = (
    "not-prefix", "gap", "duplicate", "nonmonotonic", "divergent", "lost-write", "shrunk", "two-terminals",
    "event-after-terminal", "no-terminal", "lost-accept", "double-bill", "leak", "late",
)  # fmt: skip
REVOKED_WITHIN_S = 5.0
#: Two losses this close may fall between two checkpoints (2 s, and the time that both take to happen).
CHECKPOINT_S = 3.0
_CONTINUITY = frozenset({"not-prefix", "gap", "duplicate", "nonmonotonic", "shrunk", "divergent"})
LIVE = frozenset({"queued", "admitted", "streaming"})


@dataclass(frozen=True, slots=True)
class Anomaly:
    rule: str
    stream: str
    client: str
    what: str
    t: float = 0.0

    def __str__(self) -> str:
        return f"{self.rule}: stream {self.stream} client {self.client} at {self.t:.3f}: {self.what}"


@dataclass(slots=True)
class Report:
    violations: list[Anomaly] = field(default_factory=list)
    allowed: list[Anomaly] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{len(self.violations)} violations, {len(self.allowed)} allowed by the announced exception"]
        return "\n".join([*lines, *map(str, self.violations), *(f"allowed {one}" for one in self.allowed)])


def check(entries: list[Entry], truth: Truth) -> Report:
    """All anomalies of one run."""
    report, lost = Report(), dict[str, list[float]]()
    by_reader: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.stream:
            by_reader[entry.client, entry.stream].append(entry)
    for (client, stream), own in by_reader.items():
        applied = [entry for entry in own if entry.op == "apply"]
        for anomaly in _reader(client, stream, own, applied, truth):
            if stream not in lost:
                lost[stream] = losses(stream, entries, truth)
            allowed = anomaly.rule in _CONTINUITY and _was_announced(anomaly, applied, lost[stream])
            (report.allowed if allowed else report.violations).append(anomaly)
    for rule in (_divergent, _two_terminals, _no_terminal, _lost_accept, _double_bill, _late):
        report.violations.extend(rule(entries, truth))
    return report


def _reader(client: str, stream: str, own: list[Entry], applied: list[Entry], truth: Truth) -> Iterator[Anomaly]:
    row = truth.rows.get(stream)

    def anomaly(rule: str, entry: Entry, what: str) -> Anomaly:
        return Anomaly(rule, stream, client, what, entry.t)

    yield from _order(applied, anomaly)
    yield from _shown(applied, row, anomaly)
    yield from _after_end(applied, anomaly)
    yield from _lost_write(applied, truth.log.get(stream, []), anomaly)
    if (since := truth.revoked.get((client, stream))) is not None:
        for entry in own:
            if entry.op == "recv" and entry.t > since + REVOKED_WITHIN_S:
                yield anomaly("leak", entry, f"{entry.kind} {entry.t - since:.1f} s after the right was taken away")


_Make = Callable[[str, Entry, str], Anomaly]


def _order(applied: list[Entry], anomaly: _Make) -> Iterator[Anomaly]:
    last, seen, epoch = START, set[Position](), ""
    for entry in applied:
        if not entry.position:
            continue
        position = Position.parse(entry.position)
        if entry.kind == "stream.snapshot":
            if position < last and entry.recovered and entry.epoch == epoch:
                yield anomaly("nonmonotonic", entry, f"a snapshot at {position} after {last}")
            last, seen, epoch = position, {position}, entry.epoch
            continue
        if position in seen:
            yield anomaly("duplicate", entry, f"{position} again")
        elif position < last:
            yield anomaly("nonmonotonic", entry, f"{position} after {last}")
        elif (follows := _follows(entry)) != last:
            yield anomaly("gap", entry, f"{position} follows {follows}, but {last} was the last")
        last = max(last, position)
        seen.add(position)


def _follows(entry: Entry) -> Position:
    position = Position.parse(entry.position)
    return Position.parse(entry.follows) if entry.follows else Position(position.attempt, position.seq - 1)


def _shown(applied: list[Entry], row: RowTruth | None, anomaly: _Make) -> Iterator[Anomaly]:
    shown = [entry for entry in applied if entry.length >= 0]
    for before, entry in pairwise(shown):
        if entry.length < before.length:
            yield anomaly("shrunk", entry, f"{before.length} characters became {entry.length}")
    if row is not None and row.status not in LIVE:
        for entry in shown:
            if sha8(row.text[: entry.length]) != entry.sha8 or entry.length > len(row.text):
                yield anomaly("not-prefix", entry, f"{entry.length} characters that the final text does not begin with")


def _after_end(applied: list[Entry], anomaly: _Make) -> Iterator[Anomaly]:
    end: Entry | None = None
    for entry in applied:
        if end is not None and entry.position and Position.parse(entry.position) > Position.parse(end.position):
            yield anomaly("event-after-terminal", entry, f"{entry.kind} {entry.position} after {end.position}")
        elif entry.kind in TERMINAL_KINDS:
            end = entry


def _lost_write(applied: list[Entry], log: list[str], anomaly: _Make) -> Iterator[Anomaly]:
    """What the log holds, at or before the reader's last position, must have come to him in some form."""
    covered: list[tuple[Position, Position]] = []
    for entry in applied:
        if entry.position:
            position = Position.parse(entry.position)
            covered.append((START if entry.kind == "stream.snapshot" else _follows(entry), position))
    if not covered:
        return
    newest = max(end for _, end in covered)
    for text in log:
        position = Position.parse(text)
        if position <= newest and not any(start < position <= end for start, end in covered):
            yield anomaly("lost-write", applied[-1], f"{position} is in the log and never came")


def losses(stream: str, entries: list[Entry], truth: Truth) -> list[float]:
    """When text of this stream may have been lost with a worker and Redis's memory together."""
    within_s = CHECKPOINT_S + truth.locked_s
    heard = [
        (entry.t, Position.parse(entry.position).attempt)
        for entry in entries
        if entry.stream == stream and entry.op == "recv" and entry.position
    ]
    both = []
    for worker in truth.worker_losses:
        known = max((attempt for t, attempt in heard if t <= worker), default=0)
        taken_over = min((t for t, attempt in heard if t > worker and attempt > known), default=worker)
        for memory in truth.memory_losses:
            if worker - within_s <= memory <= max(taken_over, worker + within_s):
                both.append(max(worker, memory))
        both += [max(worker, tail) for tail in truth.tail_losses if abs(worker - tail) <= within_s]
    return both


def _was_announced(anomaly: Anomaly, applied: list[Entry], losses: list[float]) -> bool:
    """Whether this reader was told at or after the anomaly, and after a loss that explains it."""
    told = [entry.t for entry in applied if entry.kind == "stream.snapshot" and not entry.recovered]
    return any(at >= anomaly.t and any(loss <= at for loss in losses) for at in told)


def _divergent(entries: list[Entry], truth: Truth) -> Iterator[Anomaly]:
    first: dict[tuple[str, ...], Entry] = {}
    for entry in entries:
        if entry.op == "recv" and entry.kind == "stream.delta":
            key = (entry.stream, entry.epoch, entry.position, entry.follows)
            known = first.setdefault(key, entry)
            if known.sha8 != entry.sha8:
                what = f"{entry.position} is something else for {known.client}"
                yield Anomaly("divergent", entry.stream, entry.client, what, entry.t)


def _two_terminals(entries: list[Entry], truth: Truth) -> Iterator[Anomaly]:
    ends: dict[str, Entry] = {}
    for entry in entries:
        if entry.op != "recv" or entry.kind not in TERMINAL_KINDS:
            continue
        first = ends.setdefault(entry.stream, entry)
        row = truth.rows.get(entry.stream)
        if (first.kind, first.position) != (entry.kind, entry.position):
            what = f"{entry.kind} {entry.position}, before {first.kind} {first.position}"
            yield Anomaly("two-terminals", entry.stream, entry.client, what, entry.t)
        elif row is not None and f"stream.{row.status}" != entry.kind:
            what = f"{entry.kind}, but the row says {row.status}"
            yield Anomaly("two-terminals", entry.stream, entry.client, what, entry.t)


def _no_terminal(entries: list[Entry], truth: Truth) -> Iterator[Anomaly]:
    for stream, row in truth.rows.items():
        if row.status in LIVE:
            yield Anomaly("no-terminal", stream, "", f"the row is still {row.status}")
    readers = {(entry.client, entry.stream) for entry in entries if entry.op == "sub"}
    told = {(entry.client, entry.stream) for entry in entries if entry.op == "apply" and entry.kind in TERMINAL_KINDS}
    for client, stream in sorted(readers - told):
        if client in truth.stayed and (client, stream) not in truth.revoked:
            yield Anomaly("no-terminal", stream, client, "a reader that stayed was never told of an end")


def _lost_accept(entries: list[Entry], truth: Truth) -> Iterator[Anomaly]:
    for entry in entries:
        if entry.op == "accept" and entry.stream not in truth.rows:
            yield Anomaly("lost-accept", entry.stream, entry.client, "it was accepted and has no row", entry.t)


def _double_bill(entries: list[Entry], truth: Truth) -> Iterator[Anomaly]:
    accepted: dict[str, str] = {}
    for entry in entries:
        if entry.op == "accept" and entry.kind and accepted.setdefault(entry.kind, entry.stream) != entry.stream:
            what = f"message {entry.kind} was accepted before, as {accepted[entry.kind]}"
            yield Anomaly("double-bill", entry.stream, entry.client, what, entry.t)
    for stream, row in truth.rows.items():
        numbers = [attempt.number for attempt in row.attempts]
        billed = [attempt.output_tokens for attempt in row.attempts if attempt.output_tokens is not None]
        ends = [attempt for attempt in row.attempts if f"stream.{attempt.outcome}" in TERMINAL_KINDS]
        if len(set(numbers)) < len(numbers) or len(ends) > 1:
            yield Anomaly("double-bill", stream, "", f"attempts {numbers}, of which {len(ends)} ended it")
        elif truth.calls.get(stream, 0) > len(row.attempts):
            what = f"{truth.calls[stream]} calls of the provider, {len(row.attempts)} attempts"
            yield Anomaly("double-bill", stream, "", what)
        elif row.status not in LIVE and billed and row.output_tokens != sum(billed):
            yield Anomaly("double-bill", stream, "", f"{row.output_tokens} tokens in all, {billed} by attempt")


def _late(entries: list[Entry], truth: Truth) -> Iterator[Anomaly]:
    for deadline in truth.deadlines:
        heard = [e.t for e in entries if e.stream == deadline.stream and e.op == "recv" and e.kind in deadline.kinds]
        ended = [e.t for e in entries if e.stream == deadline.stream and e.op == "recv" and e.kind in TERMINAL_KINDS]
        if any(t <= deadline.at for t in ended):
            continue
        waited = min((t - deadline.at for t in (*heard, *ended) if t >= deadline.at), default=float("inf"))
        if waited > deadline.within_s:
            what = f"{deadline.name}: {waited:.1f} s, {deadline.within_s:g} s are allowed"
            yield Anomaly("late", deadline.stream, "", what, deadline.at)
