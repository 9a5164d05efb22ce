"""What is shared, for a start takes longer than most tests: a provider, and two demos, of programs and of processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.leftovers import leaves_nothing as leaves_nothing
from tests.acceptance.program_site import Site, environment, site_of
from tests.acceptance.rig import Demo
from tests.acceptance.simulator_process import SimulatorProcess


@pytest.fixture(scope="session")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


@pytest.fixture(scope="session")
def site(simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Demo(env=environment(simulator)) as demo:
        yield site_of(demo, simulator, tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="session")
def demo(simulator: SimulatorProcess, request: pytest.FixtureRequest) -> Iterator[Demo]:
    """Of two web processes and two workers, for tests that leave all four as they found them: alive. It offers what
    their modules name as MODELS and ANTHROPIC_MODELS."""
    modules = {item.module for item in request.session.items if isinstance(item, pytest.Function)}
    ours = [module for module in modules if module.__name__.startswith("tests.acceptance.")]
    openai, anthropic = (
        sorted({model for module in ours for model in getattr(module, name, [])})
        for name in ("MODELS", "ANTHROPIC_MODELS")
    )
    env = simulator.env(openai=openai, anthropic=anthropic)
    env |= {"DEMO_TOKENS_PER_SECOND": "20", "DRAIN_SECONDS": "2"}
    env |= {"DJANGO_SETTINGS_MODULE": "tests.acceptance.untiring_settings"}
    with Demo(web=2, workers=2, env=env) as running:
        yield running
