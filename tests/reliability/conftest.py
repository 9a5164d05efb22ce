"""One demo for all modules of rows and each database: `stage` is emptied before each test.

Every row that touches the database runs on both; a test that says `@ON_SQLITE` is about something else.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Generator, Iterator

import pytest

from tests.acceptance.first_run import prepare
from tests.acceptance.rig import Demo
from tests.acceptance.simulator_process import SimulatorProcess
from tests.postgres import Postgres, programs
from tests.reliability.stage import Stage

PREPARED = "prepared"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    folder = programs()
    if folder is None and not os.environ.get("CHATSITE_REQUIRE_ALL"):
        pytest.skip("PostgreSQL's server is not installed")
    assert folder is not None
    server = Postgres(folder)
    server.start()
    prepare(server.create(PREPARED))
    yield server
    server.stop()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """The address of a prepared database of PostgreSQL, or nothing for SQLite."""
    if request.param == "sqlite":
        return ""
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.create(f"rows{next(_numbers)}", template=PREPARED)


@pytest.fixture(scope="session")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


def _models_of_all(request: pytest.FixtureRequest, name: str) -> list[str]:
    """What the modules of the tests that run want the demo to offer."""
    modules = {item.module for item in request.session.items if isinstance(item, pytest.Function)}
    return sorted(
        {model for module in modules for model in getattr(module, name, []) if "reliability" in module.__name__}
    )


@pytest.fixture(scope="session")
def whole_stage(simulator: SimulatorProcess, database: str, request: pytest.FixtureRequest) -> Iterator[Stage]:
    models, anthropic = (_models_of_all(request, name) for name in ("MODELS", "ANTHROPIC_MODELS"))
    settings = {"DEMO_TOKENS_PER_SECOND": "30", "DJANGO_SETTINGS_MODULE": "tests.acceptance.untiring_settings"}
    env = simulator.env(openai=models, anthropic=anthropic) | settings
    with Demo(web=2, workers=2, env=env, postgres=database) as demo:
        yield Stage(demo)


@pytest.fixture
def stage(whole_stage: Stage, simulator: SimulatorProcess) -> Stage:
    simulator.forget()
    return whole_stage.scene()


_seconds: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "tests/reliability" in report.nodeid:
        _seconds["PostgreSQL" if "postgresql" in report.nodeid else "SQLite"] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """All of it must fit into twelve minutes."""
    if _seconds:
        each = ", ".join(f"{seconds:.0f} s on {database}" for database, seconds in sorted(_seconds.items()))
        terminalreporter.write_line(f"tests/reliability: {each}, {sum(_seconds.values()) / 60:.1f} minutes in all")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the processes said, and what is not over, beside a failure."""
    report = yield
    stage = getattr(item, "funcargs", {}).get("stage")
    if report.failed and isinstance(stage, Stage):
        report.sections.append(("processes", "\n".join(stage.demo.lines[-60:])))
        query = "SELECT * FROM streaming_generation WHERE finished_at IS NULL"
        report.sections.append(("not over", "\n".join(map(str, stage.demo.rows(query)))))
    return report
