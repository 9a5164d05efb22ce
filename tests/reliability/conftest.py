"""One demo for each module of rows: `stage` is emptied before each test."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.acceptance.rig import Demo
from tests.acceptance.simulator_process import SimulatorProcess
from tests.reliability.stage import Stage


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


@pytest.fixture(scope="module")
def module_stage(simulator: SimulatorProcess, request: pytest.FixtureRequest) -> Iterator[Stage]:
    models: list[str] = getattr(request.module, "MODELS", [])
    env = simulator.env(openai=models) if models else {}
    with Demo(web=2, workers=2, env=env | {"DEMO_TOKENS_PER_SECOND": "30"}) as demo:
        yield Stage(demo)


@pytest.fixture
def stage(module_stage: Stage) -> Stage:
    return module_stage.scene()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the processes said, and what is not over, beside a failure."""
    report = yield
    stage = getattr(item, "funcargs", {}).get("stage")
    if report.failed and isinstance(stage, Stage):
        report.sections.append(("processes", "\n".join(stage.demo.lines[-60:])))
        query = "SELECT * FROM streaming_generation WHERE finished_at IS NULL"
        report.sections.append(("not over", "\n".join(str(dict(row)) for row in stage.demo.rows(query))))
    return report
