"""What Prometheus is told, per process (names: background/UX_API.md §4). No label ever names a person.

Everything here is counted where it happens: an attempt at its committed end, a resume when it is served. Nothing is
counted per token. `drain_counts` hands the counts since the last call to `load`, which adds up all processes.
"""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from streaming.buckets import EDGES_S

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


def _counter(name: str, words: str, *labels: str) -> Counter:
    return Counter(name, words, labels, registry=REGISTRY)


def _gauge(name: str, words: str, *labels: str) -> Gauge:
    return Gauge(name, words, labels, registry=REGISTRY)


def _waits(name: str, words: str) -> Histogram:
    return Histogram(name, words, ("model",), registry=REGISTRY, buckets=EDGES_S)


TTFT: Final = _waits("chat_ttft_seconds", "From the question to the first text of its answer, all waits included.")
QUEUE_WAIT: Final = _waits("chat_queue_wait_seconds", "From accepted, or put back, until its lane let it start.")
HANDOFF: Final = _waits("chat_handoff_seconds", "From there until a worker asked the provider.")
PROVIDER_TTFT: Final = _waits("chat_provider_ttft_seconds", "From there to the provider's first text.")
TOKENS: Final = _counter(
    "chat_tokens_total", "As the ledger counts them; cached is part of input.", "direction", "model"
)
COST: Final = _counter("chat_cost_dollars_total", "Of tokens with a known price.", "model")
ATTEMPTS: Final = _counter("chat_attempts_total", "Lines of the ledger that ended.", "model", "outcome")
STREAM_ENDS: Final = _counter("chat_stream_end_total", "Answers that ended.", "reason")
STREAMS_ACTIVE: Final = _gauge("chat_streams_active", "Attempts that this worker runs.")
STREAMS_PEAK: Final = _gauge("chat_streams_peak", "The most that this worker ever ran at once.")
QUEUE_DEPTH: Final = _gauge("chat_queue_depth", "Who waits in a lane; told by the pacer's holder.", "lane")
LANE_RUNNING: Final = _gauge("chat_lane_running", "What runs in a lane; told by the pacer's holder.", "lane")
SOCKETS: Final = _gauge("chat_ws_connections", "Open WebSockets of this process.")
RESUMES: Final = _counter("chat_resume_total", "Subscriptions that went on from a position.")
GAPS: Final = _counter("chat_gaps_healed_total", "Holes in what the layer delivered, filled from the log.")
SLOW: Final = _counter("chat_slow_clients_total", "Sockets put out because they read too slowly.")
SHED: Final = _counter("chat_shed_total", "Questions refused before they were accepted.", "reason")
CHUNKS: Final = _counter("chat_chunks_total", "Events that this worker appended to logs.")
CHUNK_BYTES: Final = _counter("chat_chunk_bytes_total", "Their bytes.")
FENCED: Final = _counter("chat_fenced_total", "Refusals to a worker whose attempt is somebody else's.", "at")

#: Column of the ledger → histogram.
_HISTOGRAMS: Final = {
    "ttft_ms": TTFT,
    "waited_ms": QUEUE_WAIT,
    "handoff_ms": HANDOFF,
    "provider_ms": PROVIDER_TTFT,
}
_since_drained: Tally[str] = Tally()
_lock = threading.Lock()
_peak = 0


def attempt_ended(model: str, outcome: str, waits: Mapping[str, int | None]) -> None:
    ATTEMPTS.labels(model, outcome).inc()
    for column, wait_ms in waits.items():
        if wait_ms is not None:
            _HISTOGRAMS[column].labels(model).observe(wait_ms / 1000)


def tokens_used(model: str, counts: Mapping[str, int], cost_micro: int | None) -> None:
    for direction, number in counts.items():
        TOKENS.labels(direction, model).inc(number)
    if cost_micro:
        COST.labels(model).inc(cost_micro / 1_000_000)


def stream_ended(reason: str) -> None:
    STREAM_ENDS.labels(reason).inc()


def streams_running(number: int) -> None:
    global _peak
    _peak = max(_peak, number)
    STREAMS_ACTIVE.set(number)
    STREAMS_PEAK.set(_peak)


def resumed() -> None:
    RESUMES.inc()
    _note("resumes")


def gap_healed() -> None:
    GAPS.inc()
    _note("gaps_healed")


def slow_client() -> None:
    SLOW.inc()
    _note("slow_clients")


def shed(reason: str) -> None:
    SHED.labels(reason).inc()
    _note("shed")


def appended(events: int, size: int) -> None:
    """By one pipeline."""
    CHUNKS.inc(events)
    CHUNK_BYTES.inc(size)
    _note("chunks", events)
    _note("chunk_bytes", size)


def drain_counts() -> dict[str, int]:
    """What was counted since the last call; the caller has to see to it."""
    with _lock:
        counts = dict(_since_drained)
        _since_drained.clear()
    return counts


def give_back(counts: Mapping[str, int]) -> None:
    """They could not be told to anybody."""
    with _lock:
        _since_drained.update(counts)


def _note(name: str, number: int = 1) -> None:
    with _lock:
        _since_drained[name] += number
