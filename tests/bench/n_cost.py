"""N11 and N12: what an answer costs in processor time, and what happens when both cores are full."""

from __future__ import annotations

from tests.bench import rounds
from tests.bench.processes import Helper
from tests.bench.report import Result, percentile
from tests.bench.site import Site

RATE = 20
WARM = "sim-tokens=20,rate=20,stamp=1"


def budget(quick: bool) -> Result:
    """N11: 50 streams × 20 tokens/s × 200 tokens, one viewer each."""
    streams, tokens = (10, 40) if quick else (50, 200)
    result = Result("N11", "processor time of all our processes per 1,000 tokens")
    script = f"sim-tokens={tokens},rate={RATE},stamp=1"
    thousands = streams * tokens / 1000
    with Site({"sim": script, "warm": WARM}) as site, Helper("tests.bench.baselines.bare_sdk") as bare:
        people = site.people(streams * 2)
        with rounds.viewers(site, people) as load:
            rounds.answers(
                site, load, people, model="warm", streams=streams, tokens=20, planned_s=5, first_viewer=streams
            )
            site.settle()
            seen = rounds.answers(
                site, load, people, streams=streams, tokens=tokens, planned_s=tokens / RATE, arrive_s=1
            )
        asked = {"base_url": site.simulator.openai_url, "streams": streams, "arrive_s": 1.0}
        bare.do("run", **asked, model=WARM)
        baseline = bare.do("run", **asked, model=script)["cpu_s"] / thousands
    total = seen.ours_s / thousands
    # 0.40 for the engine alone; lanes, Markdown, ledger and list are part of every answer today.
    result.add("web + worker + Valkey + supervisor", total, "CPU-s/1,000", at_most=0.45, baseline=baseline)
    for part in ("worker", "web", "valkey", "supervisor"):
        result.add(f"  of it: {part}", seen.cpu_s[part] / thousands, "CPU-s/1,000")
    result.add("not ours: the simulator", seen.cpu_s["simulator"] / thousands, "CPU-s/1,000")
    result.add("not ours: the load client", seen.cpu_s["load"] / thousands, "CPU-s/1,000")
    result.add("events per stream and second (20 tokens/s)", seen.events / streams / (tokens / RATE), "events/s")
    result.add("delay p50, window included", percentile(seen.delays_ms, 50), "ms")
    result.add("delay p99, window included", percentile(seen.delays_ms, 99), "ms")
    result.notes.append(
        f"{streams} streams × {tokens} tokens at {RATE}/s, from before the first question to after the last end: rows, "
        "checkpoints and heartbeats included; baseline: the bare SDK loop alone; warm-up: a short answer each."
    )
    return result


def crowd(quick: bool) -> Result:
    """N12: 200 streams × 20 tokens/s × 200 tokens arriving over 2 s; everything on the same cores."""
    streams, tokens = (20, 40) if quick else (200, 200)
    result = Result("N12", f"{streams} streams × {RATE} tokens/s arriving over 2 s, one worker, one web process")
    with Site({"sim": f"sim-tokens={tokens},rate={RATE},stamp=1", "warm": WARM}) as site:
        people = site.people(streams + 20)
        with rounds.viewers(site, people) as load:
            rounds.answers(site, load, people, model="warm", streams=20, tokens=20, planned_s=5, first_viewer=streams)
            site.settle()
            seen = rounds.answers(
                site, load, people, streams=streams, tokens=tokens, planned_s=tokens / RATE, arrive_s=2
            )
    delays = seen.delays_ms
    result.add("tokens that arrived", len(delays), "tokens", at_least=streams * tokens)
    result.add("delay p99, window included", percentile(delays, 99), "ms", at_most=250)
    result.add("first text p50, from the question", percentile(seen.first_text_ms, 50), "ms", at_most=500)
    result.add("delay p50", percentile(delays, 50), "ms")
    result.add("delay, the latest", max(delays), "ms")
    result.add("first text p99", percentile(seen.first_text_ms, 99), "ms")
    result.add("tokens/s over the whole run", len(delays) / seen.seconds, "tokens/s")
    result.add("our processor time", seen.ours_s / (len(delays) / 1000), "CPU-s/1,000")
    for part in ("worker", "web", "valkey", "simulator", "load"):
        result.add(f"  {part}", seen.cpu_s[part] / seen.seconds, "cores")
    result.notes.append("The simulator and the load client run on the same cores. 20 warm-up answers.")
    return result
