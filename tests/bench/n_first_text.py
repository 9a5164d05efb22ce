"""N5: from a question to the first text of its answer."""

from __future__ import annotations

from tests.bench import rounds
from tests.bench.processes import Helper
from tests.bench.report import Result, percentile
from tests.bench.site import SimulatorProcess, Site

SHORT = "sim-tokens=5,rate=100,stamp=1"
LONG = "sim-tokens=80,rate=20,stamp=1"
LONG_TOKENS, LONG_S = 80, 4.0
PAUSE_S = 0.2
"""Between questions that are alone: a short answer ends well before."""
CROWD, CROWD_S = 50, 2.0
WARM = 20


def first_text(quick: bool) -> Result:
    """From the question's frame to the first text at the asker, less the simulator's own time to its first token."""
    alone, crowds = (10, 1) if quick else (100, 3)
    result = Result("N5", "added time to first token, no queue")
    with Site({"short": SHORT, "long": LONG}) as site:
        ours = _ours(site, alone, crowds)
        theirs = _bare(site, alone)
    goals = (("1 stream", 12, 30), (f"{CROWD} arriving over {CROWD_S:g} s", 20, 100))
    for (what, p50, p99), mine, other in zip(goals, ours, theirs, strict=True):
        result.add(f"{what}: p50", percentile(mine, 50), "ms", at_most=p50, baseline=percentile(other, 50))
        result.add(f"{what}: p99", percentile(mine, 99), "ms", at_most=p99, baseline=percentile(other, 99))
    result.notes.append(
        f"{alone} questions one at a time, {crowds} rounds of {CROWD}; baseline: request to first text in the bare SDK "
        f"loop, less the same; warm-up: {WARM} questions."
    )
    return result


def _ours(site: Site, alone: int, crowds: int) -> tuple[list[float], list[float]]:
    people = site.people(WARM + alone + CROWD * crowds)
    with rounds.viewers(site, people) as load:
        rounds.answers(site, load, people, model="short", streams=WARM, tokens=5, planned_s=5, arrive_s=WARM * PAUSE_S)
        site.settle()
        one_by_one = rounds.answers(
            site, load, people, model="short", streams=alone, tokens=5, planned_s=5, arrive_s=alone * PAUSE_S,
            first_viewer=WARM,
        ).first_texts()  # fmt: skip
        arriving = []
        for number in range(crowds):
            arriving += rounds.answers(
                site, load, people, model="long", streams=CROWD, tokens=LONG_TOKENS, planned_s=LONG_S, arrive_s=CROWD_S,
                first_viewer=WARM + alone + CROWD * number,
            ).first_texts()  # fmt: skip
    own_ms = provider_ms(site.simulator)
    added_alone, added_arriving = ([took - own_ms[asked] for asked, took in some] for some in (one_by_one, arriving))
    return added_alone, added_arriving


def _bare(site: Site, alone: int) -> tuple[list[float], list[float]]:
    added = []
    with Helper("tests.bench.baselines.bare_sdk") as bare:
        for model, streams, arrive_s in (
            (SHORT, WARM, 1.0),
            (SHORT, alone, alone * PAUSE_S),
            (LONG, CROWD, CROWD_S),
        ):
            site.simulator.forget()
            asked = {"base_url": site.simulator.openai_url, "model": model, "streams": streams, "arrive_s": arrive_s}
            took_ms = bare.do("run", **asked)["first_text_ms"]
            own_ms = provider_ms(site.simulator)
            added.append([took_ms[question] - own_ms[question] for question in took_ms])
    return added[1], added[2]


def provider_ms(simulator: SimulatorProcess) -> dict[str, float]:
    """Of each question, what the simulator itself took from the request to the first token."""
    return {
        exchange["body"]["messages"][-1]["content"]: (exchange["first_text_at"] - exchange["received_at"]) * 1000
        for exchange in simulator.exchanges()
        if exchange["first_text_at"] is not None
    }
