"""N4: how late text is because of us."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench import rounds
from tests.bench.processes import Helper
from tests.bench.report import Result, percentile
from tests.bench.site import Site

RATE = 20
WINDOW_S = 0.033
"""The product's default, spelled out here because it is what N4 excludes."""


def added_delay(quick: bool) -> Result:
    """Once with the product's window, of which each token's own wait is taken off, and once without a window."""
    streams, tokens = (10, 40) if quick else (100, 200)
    result = Result("N4", f"added delay from provider to client, {streams} streams at {RATE} tokens/s")
    script = f"sim-tokens={tokens},rate={RATE},stamp=1"
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.jsonl"
        windowed, bare_ms = _delay_round(script, streams, tokens, probe=probe)
        parts = [json.loads(line) for line in probe.read_text().splitlines()]
    delays = split(windowed.streams, {part["generation"]: part for part in parts})
    bare_window = {"window_s": 0.001, "window_max_s": 0.001}
    immediate, _ = _delay_round(script, streams, tokens, streaming=bare_window)

    added = [total - min(hold, WINDOW_S * 1000) for total, _, hold, _ in delays]
    for percent, goal in ((50, 5), (99, 30)):
        value, baseline = percentile(added, percent), percentile(bare_ms, percent)
        result.add(f"added delay without the window's part, p{percent}", value, "ms", at_most=goal, baseline=baseline)
    for name, values in (
        ("  provider → worker", [arrival for _, arrival, _, _ in delays]),
        ("  in the coalescer (33 ms window when busy)", [hold for _, _, hold, _ in delays]),
        ("  append, publish, deliver", [delivery for _, _, _, delivery in delays]),
        ("  total, window included", [total for total, _, _, _ in delays]),
        ("run with a window of 1 ms: total", immediate.delays_ms),
    ):
        result.add(f"{name}, p50", percentile(values, 50), "ms")
        result.add(f"{name}, p99", percentile(values, 99), "ms")
    thousands = streams * tokens / 1000
    result.add("our processor time, product's window", windowed.ours_s / thousands, "CPU-s/1,000")
    result.add("our processor time, window of 1 ms", immediate.ours_s / thousands, "CPU-s/1,000")
    result.notes.append(
        "Taken off is what a token waited between the provider's read and its event, at most "
        f"{WINDOW_S * 1000:.0f} ms, stamped in the worker for each token; what it waited longer counts. Baseline: the "
        "bare SDK loop, which ends at the text in the worker."
    )
    return result


def _delay_round(
    script: str, streams: int, tokens: int, *, probe: Path | None = None, streaming: dict[str, Any] | None = None
) -> tuple[rounds.Seen, list[float]]:
    models = {"sim": script, "warm": f"sim-tokens=20,rate={RATE},stamp=1"}
    env = {"BENCH_PROBE": str(probe)} if probe is not None else {}
    with Site(models, streaming=streaming, env=env) as site, Helper("tests.bench.baselines.bare_sdk") as bare:
        people = site.people(streams * 2)
        with rounds.viewers(site, people) as load:
            rounds.answers(
                site, load, people, model="warm", streams=streams, tokens=20, planned_s=5, first_viewer=streams
            )
            site.settle()
            if probe is not None:
                probe.unlink()
            seen = rounds.answers(
                site, load, people, streams=streams, tokens=tokens, planned_s=tokens / RATE, arrive_s=1
            )
        asked = {"base_url": site.simulator.openai_url, "streams": streams, "arrive_s": 1.0}
        bare_ms = bare.do("run", **asked, model=script)["delays_ms"] if probe is not None else []
    return seen, bare_ms


def split(streams: Sequence[dict[str, Any]], parts: dict[str, Any]) -> list[tuple[float, float, float, float]]:
    """Of each token, in ms: the whole delay, provider → worker, in the coalescer, worker → viewer."""
    delays = []
    for stream in streams:
        part = parts[stream["generation"]]
        fed = [at for tokens, at in part["fed"] for _ in range(tokens)]
        frozen = dict(map(tuple, part["frozen"]))
        for (seq, sent, arrived), fed_at in zip(stream["tokens"], fed, strict=True):
            if seq not in frozen:  # it came with a snapshot, to a viewer who came after it
                continue
            frozen_at = frozen[seq]
            delays.append(
                ((arrived - sent) / 1e6, (fed_at - sent) / 1e6, (frozen_at - fed_at) / 1e6, (arrived - frozen_at) / 1e6)
            )
    return delays
