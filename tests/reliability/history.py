"""What happened, as clients saw it: one JSON line per entry; and what the rows, the log and the provider say about it.

Times are `time.monotonic()` of the machine that runs clients and nemesis. `sha8` is the beginning of a SHA-256: of the
shown text in an `apply`, of the delta's own text in a `recv`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from streaming.states import TERMINAL

Op = Literal["connect", "close", "accept", "sub", "recv", "apply"]
TERMINAL_KINDS = frozenset(f"stream.{status.value}" for status in TERMINAL)


def sha8(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Entry:
    """`kind`: the frame's type; of a `close`, its code; of an `accept`, the client's number of the message. `length`:
    characters shown after an `apply`."""

    t: float
    client: str
    conn: int
    op: Op
    stream: str = ""
    epoch: str = ""
    position: str = ""
    follows: str = ""
    kind: str = ""
    length: int = -1
    sha8: str = ""
    #: Of a `sub` and of a snapshot: whether continuity was proven.
    recovered: bool = True


class History:
    """Entries in the order in which they happened; also written down line by line if a file is given."""

    def __init__(self, file: Path | None = None) -> None:
        self.entries: list[Entry] = []
        self._output = file.open("w") if file is not None else None

    def add(self, client: str, conn: int, op: Op, **values: Any) -> None:
        entry = Entry(time.monotonic(), client, conn, op, **values)
        self.entries.append(entry)
        if self._output is not None:
            self._output.write(json.dumps(asdict(entry)) + "\n")

    def close(self) -> None:
        if self._output is not None:
            self._output.close()
            self._output = None


def load(lines: Iterable[str]) -> list[Entry]:
    return [Entry(**json.loads(line)) for line in lines if line.strip()]


@dataclass(frozen=True, slots=True)
class AttemptTruth:
    number: int
    outcome: str
    #: Who counted its tokens; "" if nobody did.
    usage_source: str = ""
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class RowTruth:
    """One generation at the end of the run."""

    status: str
    text: str
    attempts: tuple[AttemptTruth, ...] = ()
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """Something that happened to a stream, after which a client must hear one of `kinds` within `within_s`."""

    name: str
    stream: str
    at: float
    within_s: float
    kinds: frozenset[str]


@dataclass(slots=True)
class Truth:
    rows: dict[str, RowTruth] = field(default_factory=dict)
    #: stream -> positions that its log holds at the end.
    log: dict[str, list[str]] = field(default_factory=dict)
    #: stream -> how often the provider was asked.
    calls: dict[str, int] = field(default_factory=dict)
    #: (client, stream) -> when the right to read was taken away.
    revoked: dict[tuple[str, str], float] = field(default_factory=dict)
    deadlines: list[Deadline] = field(default_factory=list)
    #: When a worker was lost, and when Redis lost its memory.
    worker_losses: list[float] = field(default_factory=list)
    memory_losses: list[float] = field(default_factory=list)
    #: When Redis may have lost the newest second, which was not in its file yet.
    tail_losses: list[float] = field(default_factory=list)
    #: How long the database was locked at a time: no checkpoint was written meanwhile.
    locked_s: float = 0.0
    #: Clients that were connected and subscribed at the end of the run.
    stayed: set[str] = field(default_factory=set)
