"""What a chaos run found, as a page to print and to keep."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

from tests.acceptance.rig import BASE_DIR
from tests.reliability.chaos import Outcome
from tests.reliability.recovery import percentile

SHOWN = 20


def lines(outcome: Outcome, command: str, database: str) -> Iterator[str]:
    total = sum(outcome.faults.values())
    yield f"# Chaos: {total} faults, {len(outcome.violations)} violations"
    yield ""
    yield f"`{command}` on {time.strftime('%Y-%m-%d')}, {outcome.machine}, {database}, commit {commit()}."
    yield (
        f"{outcome.seconds / 60:.1f} minutes in {outcome.scenes} scenes; {sum(outcome.answers.values())} answers with "
        f"{outcome.characters:,} characters ({counted(outcome.answers)})."
    )
    yield f"Lost or doubled under the announced exception: {len(outcome.allowed)}."
    yield ""
    yield "| fault | injected | things went on after, s: p50 | p95 | max | of |"
    yield "|---|---|---|---|---|---|"
    for kind in sorted(outcome.faults):
        yield f"| {kind} | {outcome.faults[kind]} | {times(outcome.recovery.get(kind, []))} |"
    yield ""
    yield f"Sockets lost, by close code: {counted(outcome.closes)}. Questions sent again: {counted(outcome.put_off)}."
    yield f"Scheduled, but the target was down just then: {counted(outcome.missed)}."
    yield from listed("Violations", outcome.violations)
    yield from listed("Allowed", outcome.allowed)


def times(seconds: list[float]) -> str:
    if not seconds:
        return "- | - | - | 0"
    shown = (percentile(seconds, 0.5), percentile(seconds, 0.95), max(seconds))
    return " | ".join([*(f"{value:.2f}" for value in shown), str(len(seconds))])


def counted(counter: dict[str, int] | dict[int, int]) -> str:
    ordered = sorted(counter.items(), key=lambda item: str(item[0]))
    return ", ".join(f"{count} × {what}" for what, count in ordered) or "none"


def listed(title: str, what: list[str]) -> Iterator[str]:
    if what:
        yield ""
        yield f"{title}:"
        yield from (f"- {one}" for one in what[:SHOWN])
        if len(what) > SHOWN:
            yield f"- and {len(what) - SHOWN} more"


def commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=BASE_DIR, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "unknown"
