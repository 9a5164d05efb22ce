"""Histories made up from a seed: what clients of a sound platform see. The checker's own tests spoil them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.reliability.history import AttemptTruth, Entry, RowTruth, Truth, sha8

EPOCH = "e1"


@dataclass(frozen=True, slots=True)
class Logged:
    position: str
    kind: str
    text: str = ""
    follows: str = ""


class Story:
    """One stream of one or two attempts, and some clients that follow it, drop, and come back."""

    def __init__(self, seed: int, *, clients: int = 3) -> None:
        self.random = random.Random(seed)
        self.stream = f"s{seed}"
        self.log = self._events(attempts=self.random.choice((1, 1, 2)))
        self.text = "".join(event.text for event in self.log)
        self.entries = [Entry(0.0, "c0", 1, "accept", self.stream)]
        self.names = [f"c{number}" for number in range(clients)]
        for name in self.names:
            self._follow(name)
        self.entries.sort(key=lambda entry: entry.t)
        self.truth = self._truth()

    def _events(self, attempts: int) -> list[Logged]:
        events: list[Logged] = []
        last = "0-0"
        for attempt in range(1, attempts + 1):
            events.append(Logged(f"{attempt}-1", "stream.started", follows=last))
            for seq in range(2, self.random.randint(12, 24)):
                events.append(Logged(f"{attempt}-{seq}", "stream.delta", f"word{attempt}.{seq} "))
            last = events[-1].position
        attempt, _, seq = last.partition("-")
        return [*events, Logged(f"{attempt}-{int(seq) + 1}", "stream.completed")]

    def _follow(self, name: str) -> None:
        """Reads on; sometimes misses events and gets them merged, sometimes gets a snapshot instead."""
        at, shown, t, conn = 0, "", 1.0 + self.random.random(), 1
        self._add(t, name, conn, "connect")
        self._add(t, name, conn, "sub", epoch=EPOCH)
        while at < len(self.log):
            t += 0.05
            if self.random.random() < 0.15:
                self._add(t, name, conn, "close", kind="1006")
                conn += 1
                t += 0.5
                self._add(t, name, conn, "connect")
                self._add(t, name, conn, "sub", epoch=EPOCH)
                at, shown = self._replay(t, name, conn, at, shown)
                continue
            event = self.log[at]
            shown += event.text
            self._both(t, name, conn, event, shown)
            at += 1

    def _replay(self, t: float, name: str, conn: int, at: int, shown: str) -> tuple[int, str]:
        """A snapshot of some more, or a merged delta."""
        to = at
        while to < len(self.log) and self.log[to].kind == "stream.delta" and to < at + 5:
            to += 1
        if to == at or not at:
            return at, shown
        text = "".join(event.text for event in self.log[at:to])
        last = self.log[to - 1]
        if self.random.random() < 0.5:
            merged = Logged(last.position, "stream.delta", text, self.log[at - 1].position)
            self._both(t, name, conn, merged, shown + text)
        else:
            self._both(t, name, conn, Logged(last.position, "stream.snapshot", shown + text), shown + text)
        return to, shown + text

    def _both(self, t: float, name: str, conn: int, event: Logged, shown: str) -> None:
        common = {"epoch": EPOCH, "position": event.position, "follows": event.follows, "kind": event.kind}
        self._add(t, name, conn, "recv", **common, length=len(event.text), sha8=sha8(event.text))
        self._add(t, name, conn, "apply", **common, length=len(shown), sha8=sha8(shown))

    def _add(self, t: float, name: str, conn: int, op: str, **values: object) -> None:
        self.entries.append(Entry(t, name, conn, op, self.stream, **values))  # type: ignore[arg-type]

    def _truth(self) -> Truth:
        numbers = sorted({int(event.position.split("-")[0]) for event in self.log})
        attempts = tuple(
            AttemptTruth(number, "completed" if number == numbers[-1] else "lost", "counted", 10) for number in numbers
        )
        row = RowTruth("completed", self.text, attempts, 10 * len(attempts))
        log = [event.position for event in self.log]
        return Truth(
            rows={self.stream: row}, log={self.stream: log}, calls={self.stream: len(attempts)}, stayed=set(self.names)
        )
