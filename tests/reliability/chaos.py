"""Long runs under overlapping faults (`manage.py chaos`): scene after scene, each judged when it is quiet.

A scene is a minute of load and faults, then rest: processes stand up, answers end, readers hear of it. What is still
wrong then stays wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.rig import Demo
from tests.acceptance.simulator_process import SimulatorProcess
from tests.bench.machine import describe
from tests.postgres import Postgres, programs
from tests.reliability.checker import Anomaly, Report
from tests.reliability.faults import Faults
from tests.reliability.ground_truth import wait_all_ended
from tests.reliability.load import MODELS, TABS_EACH, Load, Place
from tests.reliability.nemesis import Fault, schedule
from tests.reliability.reader import Reader
from tests.reliability.recovery import recovery_times
from tests.reliability.stage import Stage
from tests.simulator import script
from tests.simulator.text import text_of

Say = Callable[[str], None]
SCENE_S = 60.0
#: Of a slow machine with other work; where all is well, both are a matter of seconds.
ENDED_WITHIN_S = 240.0
TOLD_WITHIN_S = 120.0
PEOPLE = ("ann", "bob")
READERS = tuple(f"{name}/{number}" for name in PEOPLE for number in range(TABS_EACH))
#: Codes that a server must never close with: an exception of ours, frames that a sound client cannot send.
DEFECT_CODES = frozenset({1002, 1007, 1009, 1011, 4505})
#: How the simulator calls the end of an exchange that it spoiled.
FAILED = frozenset({"refused", *script.CUTS})
_QUESTION = re.compile(r"question ([0-9a-f]{32})")


@dataclass(slots=True)
class Outcome:
    """Of a whole run."""

    seed: int
    machine: str = field(default_factory=describe)
    seconds: float = 0.0
    scenes: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    put_off: Counter[str] = field(default_factory=Counter)
    closes: Counter[int] = field(default_factory=Counter)
    recovery: dict[str, list[float]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    characters: int = 0


@contextlib.contextmanager
def chaos_stage(*, postgres: bool) -> Iterator[tuple[Stage, SimulatorProcess]]:
    """Two web processes, two workers, a provider that fails on request, and one of two databases."""
    with contextlib.ExitStack() as parts:
        simulator = parts.enter_context(SimulatorProcess())
        address = ""
        if postgres:
            folder = programs()
            assert folder is not None, "PostgreSQL's server is not installed (Debian: apt install postgresql)"
            server = Postgres(folder)
            server.start()
            parts.callback(server.stop)
            address = server.url
        demo = Demo(web=2, workers=2, env=simulator.env(openai=list(MODELS)), postgres=address)
        yield Stage(parts.enter_context(demo)), simulator


async def run(
    stage: Stage, simulator: SimulatorProcess, *, seed: int, minutes: float, faults: int, say: Say, folder: Path | None
) -> Outcome:
    """Scenes until both the time and the number of faults are reached."""
    outcome, begun, known = Outcome(seed), time.monotonic(), 0
    while not outcome.scenes or outcome.seconds < minutes * 60 or sum(outcome.faults.values()) < faults:
        name = f"{seed}/{outcome.scenes}"
        length_s = min(SCENE_S, minutes * 60)
        await play(stage, simulator, outcome, name, schedule(name, length_s, READERS), folder)
        outcome.seconds = time.monotonic() - begun
        say(
            f"scene {name}: {outcome.seconds:.0f} s, {sum(outcome.faults.values())} faults, "
            f"{sum(outcome.answers.values())} answers, {len(outcome.violations)} violations"
        )
        for violation in outcome.violations[known:]:
            say(f"  {violation}")
        known = len(outcome.violations)
    return outcome


async def play(
    stage: Stage, simulator: SimulatorProcess, outcome: Outcome, name: str, faults: list[Fault], folder: Path | None,
    models: tuple[str, ...] = MODELS,
) -> None:  # fmt: skip
    """One scene; what came of it is added to `outcome`."""
    file = folder / f"scene-{name.replace('/', '-')}.jsonl" if folder else None
    before = len(outcome.violations)
    await asyncio.to_thread(stage.scene, file)
    with contextlib.closing(stage.history):
        async with contextlib.AsyncExitStack() as tabs:
            readers = {one: await tabs.enter_async_context(stage.reader(*one.split("/"))) for one in READERS}
            load = Load(await asyncio.to_thread(places, stage, readers), name, models)
            doer = Faults(stage, load, readers, name)
            asking = asyncio.create_task(load.run())
            await doer.play(faults)
            load.rest()
            await asking
            await quiet(stage, load, readers)
            calls = await asyncio.to_thread(provider_calls, simulator, load, outcome.faults)
            report = await asyncio.to_thread(stage.verdict, calls)
            add(outcome, stage, load, doer, report)
    if file is not None and len(outcome.violations) == before:
        file.unlink()


def places(stage: Stage, readers: dict[str, Reader]) -> list[Place]:
    """The shared conversation with both people in it, and two new ones of each person."""
    of = {name: [readers[one] for one in READERS if one.startswith(name)] for name in PEOPLE}
    found = [Place(stage.conversation, of["ann"][0], [of["ann"][3], of["bob"][3]])]
    for name in PEOPLE:
        session = stage.demo.session(name)
        for number in (1, 2):
            found.append(Place(session.new_conversation(), of[name][number], [of[name][4], of[name][0]]))
    return found


async def quiet(stage: Stage, load: Load, readers: dict[str, Reader]) -> None:
    """Until rows and readers know of every end, or had time enough to."""
    with contextlib.suppress(AssertionError):
        await asyncio.to_thread(wait_all_ended, stage.demo, ENDED_WITHIN_S)
    deadline = time.monotonic() + TOLD_WITHIN_S
    for reader in readers.values():
        for stream in reader.followed:
            with contextlib.suppress(AssertionError):
                await reader.ended_somewhere(stream, max(0.1, deadline - time.monotonic()))


def provider_calls(simulator: SimulatorProcess, load: Load, faults: Counter[str]) -> dict[str, int]:
    """How often the provider was asked for each stream, and its faults; the log is emptied, which renews them."""
    with urllib.request.urlopen(f"{simulator.url}/log", timeout=60) as answer:
        log = json.load(answer)
    simulator.forget()
    failed = [script.parse(exchange["model"]).fault for exchange in log if exchange["outcome"] in FAILED]
    faults.update(f"provider {fault}" for fault in failed)
    asked = Counter(_QUESTION.findall(json.dumps(exchange["body"]))[-1] for exchange in log if exchange["body"])
    return {one.stream: asked[one.number] for one in load.asked.values()}


def add(outcome: Outcome, stage: Stage, load: Load, doer: Faults, report: Report) -> None:
    outcome.scenes += 1
    outcome.faults.update(fault.kind for fault in doer.injected)
    outcome.missed += doer.missed
    outcome.put_off += load.put_off
    for kind, times in recovery_times(doer.injected, stage.history.entries).items():
        outcome.recovery.setdefault(kind, []).extend(times)
    for reader in stage.readers:
        outcome.closes.update(reader.lost_with)
        defects = [f"{reader.name} was closed with {code}" for code in set(reader.lost_with) & DEFECT_CODES]
        outcome.violations += [*reader.defects, *defects]
    wrong = [*report.violations, *wrong_texts(stage, load, outcome)]
    outcome.violations += [*load.refused, *first_of_each(wrong)]
    outcome.allowed += first_of_each(report.allowed)


def first_of_each(anomalies: list[Anomaly]) -> list[str]:
    """One line for each stream and reader: text that is gone is missing after every event that showed it."""
    groups = defaultdict[tuple[str, str], list[Anomaly]](list)
    for anomaly in anomalies:
        groups[anomaly.stream, anomaly.client].append(anomaly)
    return [f"{group[0]}" + (f" (and {len(group) - 1} more)" if group[1:] else "") for group in groups.values()]


def wrong_texts(stage: Stage, load: Load, outcome: Outcome) -> Iterator[Anomaly]:
    """The model's text is known: a whole answer is that, any other the beginning of it. Counts what it looks at."""
    rows = {row["id"]: row for row in stage.demo.rows("SELECT id, status, text FROM streaming_generation")}
    for asked in load.asked.values():
        row = rows[asked.stream.replace("-", "")]
        outcome.answers[row["status"]] += 1
        outcome.characters += len(row["text"])
        whole = text_of(asked.model)
        expected = whole if row["status"] == "completed" else whole[: len(row["text"])]
        if row["text"] != expected:
            at = next((n for n, (a, b) in enumerate(zip(row["text"], expected, strict=False)) if a != b), len(expected))
            what = f"{row['status']}: {len(row['text'])} of {len(whole)} characters, wrong from {at} on"
            yield Anomaly("not-prefix", asked.stream, "", what, asked.at)
