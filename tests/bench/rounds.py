"""One round of questions and answers through everything: asked and followed by the load client, timed and checked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.bench.machine import NotMeasured
from tests.bench.processes import Helper
from tests.bench.site import People, Site

SPARE_S = 60.0
"""How much longer than planned a round may take."""


@dataclass(slots=True)
class Seen:
    """What the viewers saw of one round. `tokens`: (seq of its event, sent, arrived) of each, times in nanoseconds."""

    streams: list[dict[str, Any]]
    cpu_s: dict[str, float]

    @property
    def seconds(self) -> float:
        """From the first question to the last end."""
        first = min(stream["asked_ns"] for stream in self.streams)
        return float(max(stream["ended_ns"] for stream in self.streams) - first) / 1e9

    @property
    def delays_ms(self) -> list[float]:
        """Of each token, from the provider's hand to the viewer."""
        return [(arrived - sent) / 1e6 for stream in self.streams for _, sent, arrived in stream["tokens"]]

    @property
    def first_text_ms(self) -> list[float]:
        """From each question to the first text at its viewer."""
        return [took for _, took in self.first_texts()]

    def first_texts(self) -> list[tuple[str, float]]:
        """Each question, and how long its first text took to its viewer, in milliseconds."""
        return [(s["question"], (s["first_ns"] - s["asked_ns"]) / 1e6) for s in self.streams]

    @property
    def events(self) -> int:
        return sum(stream["events"] for stream in self.streams)

    @property
    def ours_s(self) -> float:
        """Processor seconds of all that is ours."""
        return sum(self.cpu_s[part] for part in ("web", "worker", "valkey", "supervisor"))


@contextlib.contextmanager
def viewers(site: Site, people: People) -> Iterator[Helper]:
    """A load client with a socket for each of them, as the page has it."""
    with Helper("tests.bench.load") as load:
        load.do("open", kind="chat", port=site.port, sockets=people.sockets(), shared=False)
        load.do("watch", conversations=people.conversations)
        yield load


def answers(
    site: Site, load: Helper, people: People, *, model: str = "sim", streams: int, tokens: int, planned_s: float,
    arrive_s: float = 0.0, first_viewer: int = 0, stamped: bool = True,
) -> Seen:  # fmt: skip
    """Each viewer asks one question; `tokens`: what each answer must have. Raises NotMeasured if anything is wrong."""
    asks = []
    for number in range(streams):
        viewer = first_viewer + number
        at_s = number / streams * arrive_s
        asks.append([at_s, viewer, people.conversations[viewer], f"question {viewer}", model])
    clock = site.clock(load=load.pid)
    load.do("ask", asks=asks)
    timeout_s = arrive_s + planned_s + SPARE_S
    load.do("wait", within_s=2 * timeout_s, streams=streams, timeout_s=timeout_s)
    cpu_s = clock.read()
    return _checked(load, streams, tokens, stamped, cpu_s)


def _checked(load: Helper, streams: int, tokens: int, stamped: bool, cpu_s: dict[str, float]) -> Seen:
    taken = load.do("take", tokens=stamped)
    check_faults(taken["faults"])
    seen = Seen(taken["streams"], cpu_s)
    ended = [stream["status"] for stream in seen.streams]
    if ended != ["completed"] * streams:
        raise NotMeasured(f"{streams} answers should have completed: {sorted(set(ended))}, {len(ended)} in all")
    if stamped and (arrived := len(seen.delays_ms)) != streams * tokens:
        raise NotMeasured(f"{arrived} tokens arrived of {streams * tokens}")
    return seen


def check_faults(faults: dict[str, int]) -> None:
    if faults:
        raise NotMeasured("; ".join(f"{count} × {what}" for what, count in faults.items()))
