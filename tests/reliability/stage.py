"""One demo under faults: readers that write a history, a way to hit processes, and the judgement at the end."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.acceptance.leftovers import clear
from tests.acceptance.rig import Demo
from tests.reliability.checker import Report, check
from tests.reliability.ground_truth import read_truth, wait_all_ended
from tests.reliability.history import Deadline, History
from tests.reliability.reader import Reader

#: For tests of what the database has no part in.
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True, scope="session")
#: Of a worker's death until people hear something: a sixth of it is promised (RELIABILITY, section 2, measured by
#: tests/bench), and a machine that starts processes slowly beside other work is given the rest.
GOES_ON_WITHIN_S = 90.0
NEWS = frozenset({"stream.started", "stream.queued", "stream.snapshot"})


class Stage:
    """`history` and `deadlines` begin anew with each `scene`."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.cookies = {name: demo.login(name) for name in ("ann", "bob")}
        self.conversation = demo.shared_conversation()
        self._killed: dict[str, int] = {}
        self.scene()

    def scene(self, file: Path | None = None) -> Stage:
        """Nothing runs and every process is back, whatever the scene before left behind."""
        for name, pid in self._killed.items():
            self.demo.wait_restarted(name, pid)
        self._killed.clear()
        clear(self.demo)
        self._said_before = len(self.demo.lines)
        self.history = History(file)
        self.deadlines: list[Deadline] = []
        self.worker_losses: list[float] = []
        self.memory_losses: list[float] = []
        self.tail_losses: list[float] = []
        self.locked_s = 0.0
        self.revoked: dict[tuple[str, str], float] = {}
        self.readers: list[Reader] = []
        return self

    def reader(self, name: str = "ann", number: int | str | None = None, *, naive: bool = False) -> Reader:
        demo, tab = self.demo, f"{name}/{len(self.readers) if number is None else number}"
        reader = Reader(tab, self.history, demo.socket_url, cookie=self.cookies[name], origin=demo.origin, naive=naive)
        self.readers.append(reader)
        return reader

    def judge(self, *, timeout_s: float = 150, calls: Mapping[str, int] | None = None) -> Report:
        """Everything that this scene's history touches, once all of it has ended; fails on a violation."""
        wait_all_ended(self.demo, timeout_s)
        report = self.verdict(calls)
        assert not report.violations, report
        return report

    def verdict(self, calls: Mapping[str, int] | None = None) -> Report:
        """The same as things stand now, and nothing fails."""
        streams = {entry.stream for entry in self.history.entries if entry.stream}
        truth = read_truth(self.demo, streams)
        truth.deadlines, truth.calls = self.deadlines, dict(calls or {})
        truth.worker_losses, truth.memory_losses = self.worker_losses, self.memory_losses
        truth.tail_losses, truth.revoked, truth.locked_s = self.tail_losses, self.revoked, self.locked_s
        truth.stayed = {reader.name for reader in self.readers if reader.close_code is None}
        return check(self.history.entries, truth)

    # Faults

    def kill(self, name: str) -> float:
        """Returns when."""
        self._killed[name] = self.demo.kill(name)
        return time.monotonic()

    def end(self, name: str) -> float:
        """As a deployment does: it is asked to end, and started again. Returns when."""
        self._killed[name] = self.demo.signal(name, signal.SIGTERM)
        return time.monotonic()

    def kill_worker_of(self, stream: str) -> float:
        at = self.kill(self.worker_of(stream))
        self.worker_losses.append(at)
        self.deadlines.append(Deadline("worker lost", stream, at, GOES_ON_WITHIN_S, NEWS))
        return at

    def kill_valkey_with_its_memory(self) -> float:
        """Its files go first: what it still writes has no name any more, however soon it is started again."""
        for file in (self.demo.data / "valkey").rglob("appendonly*"):
            if file.is_file():
                file.unlink(missing_ok=True)
        at = self.kill("valkey")
        self.memory_losses.append(at)
        return at

    def pause(self, name: str) -> None:
        self.demo.signal(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self.demo.signal(name, signal.SIGCONT)

    # Questions

    @property
    def lines(self) -> list[str]:
        """What the processes said since this scene began."""
        return self.demo.lines[self._said_before :]

    @property
    def is_sqlite(self) -> bool:
        """Elsewhere the same is repeated less often: the tests of the two databases share their minutes."""
        return self.demo.database.url.startswith("sqlite")

    def status(self, stream: str) -> str:
        return str(self._row(stream)["status"])

    def attempt(self, stream: str) -> int:
        return int(self._row(stream)["attempt"])

    def admission(self, stream: str) -> tuple[int, str]:
        """What the Celery message of the newest attempt says: the lane's number for it, and the lane."""
        row = self._row(stream)
        return int(row["admission"]), str(row["lane"])

    def worker_of(self, stream: str) -> str:
        """The process that holds the generation."""
        pid = int(self._row(stream)["worker"].split(":")[1])
        return next(name for name, known in self.demo.pids().items() if known == pid)

    def ends_of(self, stream: str) -> int:
        """Attempts that the rows say ended the answer."""
        query = "SELECT count(*) AS ends FROM streaming_attempt WHERE generation_id = ? AND outcome = 'completed'"
        return int(self.demo.rows(query, stream.replace("-", ""))[0]["ends"])

    def _row(self, stream: str) -> Mapping[str, Any]:
        query = "SELECT status, attempt, worker, admission, lane FROM streaming_generation WHERE id = ?"
        return dict(self.demo.rows(query, stream.replace("-", ""))[0])

    def fenced(self, worker_pid: int) -> dict[str, int]:
        """What this worker process says it was refused."""
        with redis.Redis.from_url(self.demo.redis_url) as client:
            for key in client.scan_iter(match="worker:*", count=1000):
                if key.decode().split(":")[2] == str(worker_pid) and (value := client.get(key)):
                    counts: dict[str, int] = json.loads(value)["fenced"]
                    return counts
        return {}
