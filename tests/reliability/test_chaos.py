"""Row 40 in small: half a minute of overlapping faults from a fixed seed, and the command that runs the long form."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chatsite.management.commands import chaos as command
from tests.reliability import chaos_report
from tests.reliability.chaos import READERS, Outcome, chaos_stage, play
from tests.reliability.load import SHORT
from tests.reliability.nemesis import HURRIED, KINDS, schedule

SEED = "51"
SCENE_S = 30.0
FAULTS = schedule(SEED, SCENE_S, READERS, HURRIED)


def test_the_short_schedule_has_every_kind() -> None:
    assert {fault.kind for fault in FAULTS} == {kind.name for kind in KINDS}


@pytest.mark.reliability
@pytest.mark.timeout(900)
async def test_half_a_minute_of_everything_at_once_harms_nobody(tmp_path: Path) -> None:
    outcome = Outcome(int(SEED))
    with chaos_stage(postgres=False) as (stage, simulator):
        await play(stage, simulator, outcome, SEED, FAULTS, tmp_path, SHORT)
    page = "\n".join(chaos_report.lines(outcome, "a test", "SQLite"))
    assert outcome.violations == [], page
    assert sum(outcome.faults.values()) > len(FAULTS) / 2, page
    assert outcome.answers["completed"] > 0, page


def test_the_page_counts_faults_times_and_what_is_wrong() -> None:
    outcome = Outcome(1, machine="a machine", scenes=2, seconds=120.0, characters=1234)
    outcome.faults, outcome.answers = Counter({"stop": 3, "web SIGKILL": 1}), Counter({"completed": 2})
    outcome.recovery = {"stop": [0.1, 0.2, 0.9]}
    outcome.violations = [f"gap number {number}" for number in range(30)]
    lines = list(chaos_report.lines(outcome, "manage.py chaos", "SQLite"))
    assert lines[0] == "# Chaos: 4 faults, 30 violations"
    assert "| stop | 3 | 0.20 | 0.90 | 0.90 | 3 |" in lines
    assert "| web SIGKILL | 1 | - | - | - | 0 |" in lines
    assert lines[-1] == "- and 10 more"


def test_the_command_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(command, "import_module", missing)
    with pytest.raises(CommandError, match="needs the tests folder"):
        call_command("chaos")


def test_the_command_says_where_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="does not exist"):
        call_command("chaos", report=tmp_path / "nowhere" / "report.md")


class Rehearsal:
    """Stands for tests.reliability.chaos."""

    def __init__(self, violations: list[str]) -> None:
        self.outcome = Outcome(3, violations=violations)

    def chaos_stage(self, *, postgres: bool) -> Any:
        return nullcontext((None, None))

    async def run(self, *parts: Any, **wanted: Any) -> Outcome:
        assert (wanted["seed"], wanted["minutes"], wanted["faults"]) == (3, 0.5, 7)
        return self.outcome


@pytest.mark.parametrize("violations", [[], ["gap"]])
def test_the_command_fails_if_anything_was_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, violations: list[str]
) -> None:
    parts = {"tests.reliability.chaos": Rehearsal(violations), "tests.reliability.chaos_report": chaos_report}
    monkeypatch.setattr(command, "import_module", parts.__getitem__)
    report = tmp_path / "report.md"
    options: dict[str, Any] = {"seed": 3, "minutes": 0.5, "faults": 7, "report": report}
    if violations:
        with pytest.raises(CommandError, match="Violations: 1"):
            call_command("chaos", **options)
    else:
        call_command("chaos", **options)
    assert report.read_text().startswith(f"# Chaos: 0 faults, {len(violations)} violations")
