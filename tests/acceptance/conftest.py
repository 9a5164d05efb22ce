"""What tests of programs share: one demo, because starting one takes longer than most of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.program_site import Site, environment, site_of
from tests.acceptance.rig import Demo
from tests.acceptance.simulator_process import SimulatorProcess


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with SimulatorProcess() as simulator, Demo(env=environment(simulator)) as demo:
        yield site_of(demo, simulator, tmp_path_factory.mktemp("programs"))
