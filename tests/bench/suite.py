"""The list of benchmarks, and running them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import (
    machine,
    n_cost,
    n_dashboard,
    n_delay,
    n_fanout,
    n_faults,
    n_first_text,
    n_page,
    n_resume,
    n_sockets,
    n_waiting,
    n_worker,
)
from tests.bench.lanes import suite as lanes
from tests.bench.machine import NotMeasured
from tests.bench.report import Result
from tests.bench.site import Site


@dataclass(frozen=True, slots=True)
class Benchmark:
    name: str
    what: str
    #: `quick`: a shortened version for continuous integration; its figures mean little.
    run: Callable[[bool], Result]


BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark("N1", "fan-out: 1 stream, 1,000 viewers, one web process", n_fanout.one_to_many),
        Benchmark("N2", "fan-out: 200 streams, 1 viewer each, 20 events/s", n_fanout.many_to_one),
        Benchmark("N3", "tokens per second of one worker process at saturation", n_worker.saturation),
        Benchmark("N4", "added delay from provider to client, 100 streams", n_delay.added_delay),
        Benchmark("N5", "added time to first token", n_first_text.first_text),
        Benchmark("N6", "10,000 idle authenticated sockets in one web process", n_sockets.idle_sockets),
        Benchmark("N7", "coming back to a long answer, and 1,000 who come back at once", n_resume.resuming),
        Benchmark("N8", "500 streams open in one worker process", n_worker.many_open),
        Benchmark("N10", "lost or doubled characters over 1,000 faults", n_faults.characters),
        Benchmark("N11", "processor time per 1,000 tokens, 50 streams", n_cost.budget),
        Benchmark("N12", "200 streams arriving over 2 s, everything on two cores", n_cost.crowd),
        Benchmark("WAITING", "10,000 people wait in one lane: what that costs", n_waiting.crowd),
        Benchmark("DASHBOARD", "the operators' pages, a million attempts, 10,000 live answers", n_dashboard.pages),
        Benchmark("PAGE", "the page in Chromium: 2,000 messages, an answer of 100 KB", n_page.page),
        Benchmark("LANES", "goals G1 to G9 of the lanes, beside the formulas of Gradio and Cloudflare", lanes.goals),
    )
}


def run(names: Sequence[str], *, quick: bool, waiting: int, json_file: Path | None, say: Callable[[str], None]) -> None:
    """Runs and prints; raises NotMeasured after the last one if any of them could not measure. `waiting`: so many
    people wait in a lane meanwhile."""
    about = machine.describe()
    say(f"machine: {about}")
    Site.waiting = waiting
    if waiting:
        say(f"{waiting} people wait in a lane of the same site, each with an open page")
    if quick:
        say("quick: shortened runs, to see that they work; their figures mean little")
    results, failed = [], []
    for name in names:
        started = time.monotonic()
        say(f"… {name}  {BENCHMARKS[name].what}")
        try:
            result = BENCHMARKS[name].run(quick)
        except NotMeasured as error:
            failed.append(name)
            say(f"{name}  could not be measured: {error}")
            continue
        results.append(result)
        for line in result.lines():
            say(line)
        say(f"  ({time.monotonic() - started:.0f} s)")
    if json_file is not None:
        report = {
            "machine": about,
            "quick": quick,
            "waiting": waiting,
            "results": [result.as_json() for result in results],
        }
        json_file.write_text(json.dumps(report, indent=1) + "\n")
    if failed:
        raise NotMeasured(f"not measured: {', '.join(failed)}")
