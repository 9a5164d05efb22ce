"""N3 and N8: what one worker process can do."""

from __future__ import annotations

from statistics import median

from tests.bench import rounds
from tests.bench.processes import Helper
from tests.bench.report import Result, percentile
from tests.bench.site import Site

STREAMS = 20


def saturation(quick: bool) -> Result:
    """N3: an unthrottled provider, ours and the bare SDK loop in turn."""
    tokens, repeats = (300, 1) if quick else (4000, 3)
    result = Result("N3", "tokens/s of one worker process at saturation")
    script = f"sim-tokens={tokens}"
    with Site({"sim": script}) as site, Helper("tests.bench.baselines.bare_sdk") as bare:
        people = site.people(STREAMS * (repeats + 1))
        asked = {"base_url": site.simulator.openai_url, "arrive_s": 0.0, "streams": STREAMS}
        with rounds.viewers(site, people) as load:
            bare.do("run", model="sim-tokens=100", **asked)
            rounds.answers(site, load, people, streams=STREAMS, tokens=tokens, planned_s=30, stamped=False)
            ours, theirs, ours_cpu, theirs_cpu = [], [], [], []
            for number in range(1, repeats + 1):
                answer = bare.do("run", model=script, **asked)
                theirs.append(answer["tokens"] / answer["seconds"])
                theirs_cpu.append(answer["cpu_s"] / answer["tokens"] * 1e6)
                seen = rounds.answers(
                    site, load, people, streams=STREAMS, tokens=tokens, planned_s=60, stamped=False,
                    first_viewer=STREAMS * number,
                )  # fmt: skip
                ours.append(STREAMS * tokens / seen.seconds)
                ours_cpu.append(seen.cpu_s["worker"] / (STREAMS * tokens) * 1e6)
    result.add("tokens/s, append + publish + checkpoints on", median(ours), "tokens/s", baseline=median(theirs))
    ratio = median(mine / other for mine, other in zip(ours, theirs, strict=True))
    result.add("… as a share of the bare SDK loop", ratio, "×", at_least=0.9)
    result.add("worker's processor time per token", median(ours_cpu), "µs", baseline=median(theirs_cpu))
    result.notes.append(
        f"{STREAMS} streams × {tokens} tokens, {repeats} rounds in turn, medians; baseline: the bare async SDK loop in "
        "a process of its own; warm-up: one round of each; the simulator's core is shared with everybody else."
    )
    return result


def many_open(quick: bool) -> Result:
    """N8: 500 streams at once, slow ones."""
    streams, tokens, arrive_s = (40, 20, 1.0) if quick else (500, 150, 20.0)
    result = Result("N8", f"{streams} streams open in one worker process at 5 tokens/s each")
    with Site({"sim": f"sim-tokens={tokens},rate=5,stamp=1", "warm": "sim-tokens=20,stamp=1"}) as site:
        people = site.people(streams + 20)
        with rounds.viewers(site, people) as load:
            rounds.answers(site, load, people, model="warm", streams=20, tokens=20, planned_s=5, first_viewer=streams)
            seen = rounds.answers(
                site, load, people, streams=streams, tokens=tokens, planned_s=tokens / 5, arrive_s=arrive_s
            )
        open_at_once = max_open(seen)
    result.add("streams open at once", open_at_once, "streams", at_least=streams)
    result.add("latest text, provider → viewer, window included", max(seen.delays_ms), "ms", at_most=250)
    result.add("… p50", percentile(seen.delays_ms, 50), "ms")
    result.add("… p99", percentile(seen.delays_ms, 99), "ms")
    result.add("worker's processor time per token", seen.cpu_s["worker"] / (streams * tokens) * 1e6, "µs")
    result.notes.append(
        f"{streams * tokens:,} tokens, all of them counted; arriving over {arrive_s:g} s; 20 warm-up answers."
    )
    return result


def max_open(seen: rounds.Seen) -> int:
    """How many were between first text and end at the same time."""
    moments = [(stream["first_ns"], 1) for stream in seen.streams]
    moments += [(stream["last_ns"], -1) for stream in seen.streams]
    most = now = 0
    for _, step in sorted(moments):
        now += step
        most = max(most, now)
    return most
