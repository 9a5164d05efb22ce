"""A provider for each module; and one demo for all tests of programs, for a start takes longer than most of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.program_site import Site, environment, site_of
from tests.acceptance.rig import Demo
from tests.acceptance.simulator_process import SimulatorProcess


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with SimulatorProcess() as simulator, Demo(env=environment(simulator)) as demo:
        yield site_of(demo, simulator, tmp_path_factory.mktemp("programs"))
