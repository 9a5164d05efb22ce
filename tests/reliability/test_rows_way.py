"""Rows 5, 18 and 20 of the fault matrix: a poor line to a client, a Redis that is full, one that only seems there."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from tests.acceptance.rig import Demo
from tests.acceptance.simulator_process import SimulatorProcess
from tests.reliability.fault_proxy import FaultProxy
from tests.reliability.reader import Reader
from tests.reliability.stage import Stage

pytestmark = pytest.mark.reliability

#: It lasts for minutes, so that every fault finds it running; once the faults are over, it is told to hurry.
LONG = "sim-tokens=3000+rate=20+seed=1"
SHORT = "sim-tokens=20+rate=40+seed=2"
QUICK = "sim-tokens=300+rate=100+seed=3"
MODELS = [LONG, SHORT, QUICK]
#: Longer than a worker's lease.
AWAY_S = 12.0
#: Seconds on a quiet machine. Both come before Redis is back, for it is away until they came.
ACCEPTED_WITHIN_S = 25.0
PAGE_WITHIN_S = 25.0
GOES_ON_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def way() -> Iterator[FaultProxy]:
    """Between all processes and Valkey."""
    folder = Path(tempfile.mkdtemp(prefix="way-"))
    with FaultProxy(folder / "data" / "valkey" / "valkey.sock", folder / "way.sock") as proxy:
        yield proxy
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def whole_stage(simulator: SimulatorProcess, way: FaultProxy) -> Iterator[Stage]:
    assert isinstance(way.listen, Path)
    env = simulator.env(openai=MODELS) | {"DEMO_VALKEY_WAY": str(way.listen)}
    with Demo(web=2, workers=2, env=env, data=way.listen.parent / "data") as demo:
        yield Stage(demo)


@asynccontextmanager
async def outage(begin: Callable[[], object], end: Callable[[], object]) -> AsyncIterator[float]:
    """Begins it, and ends it after its time even if the block fails."""
    at = time.monotonic()
    await asyncio.to_thread(begin)
    try:
        yield at
        await asyncio.sleep(max(0.0, at + AWAY_S - time.monotonic()))
    finally:
        await asyncio.to_thread(end)


async def goes_on_through(
    stage: Stage, simulator: SimulatorProcess, begin: Callable[[], object], end: Callable[[], object]
) -> None:
    """An answer that runs, a question that is asked, and pages that are opened while Redis is of no use."""
    own = await asyncio.to_thread(stage.demo.session("bob").new_conversation)
    pages = stage.demo.session("ann")
    async with stage.reader("ann") as ann, stage.reader("bob") as bob:
        stream = await ann.ask(stage.conversation, "go", model=LONG)
        for reader in (ann, bob):
            await reader.follow_stream(stream)
        view = ann.view(stream)
        await ann.until(lambda: len(view.text) > 100, "some text")
        async with outage(begin, end):
            asked_at = time.monotonic()
            asked = await bob.ask(own, "and I?", model=SHORT)
            accepted_s = time.monotonic() - asked_at
            opened_at = time.monotonic()
            await asyncio.to_thread(pages.get, "/")
            page_s = time.monotonic() - opened_at
            shown = len(view.text)
        at = time.monotonic()
        await ann.until(lambda: len(view.text) > shown + 4 * 20 * AWAY_S * 0.5, "what was written meanwhile")
        took = time.monotonic() - at
        simulator.hurry(LONG)
        await bob.follow_stream(asked)
        assert (await bob.ended(asked)).status == "completed"
        for reader in (ann, bob):
            assert (await reader.ended(stream)).status == "completed"
        report = stage.judge()
    assert report.allowed == []
    assert stage.attempt(stream) == 1, "a worker that lived was taken for dead"
    assert accepted_s <= ACCEPTED_WITHIN_S
    assert page_s <= PAGE_WITHIN_S
    assert took <= GOES_ON_WITHIN_S
    assert not ann.lost_with
    assert not bob.lost_with


async def test_row_18_a_redis_that_is_full_costs_nothing(stage: Stage, simulator: SimulatorProcess) -> None:
    def limit(size: int) -> None:
        with redis.Redis.from_url(stage.demo.redis_url) as client:
            client.config_set("maxmemory", size)

    await goes_on_through(stage, simulator, lambda: limit(1), lambda: limit(0))


async def test_row_20_a_redis_that_takes_everything_and_says_nothing(
    stage: Stage, simulator: SimulatorProcess, way: FaultProxy
) -> None:
    await goes_on_through(stage, simulator, lambda: way.set(silent="both"), way.heal)


async def test_row_5_a_client_that_gets_a_kilobyte_a_second_gets_it_all(stage: Stage) -> None:
    address = urlsplit(stage.demo.url)
    assert address.port is not None
    with FaultProxy(("127.0.0.1", address.port)) as line:
        assert not isinstance(line.address, Path)
        ann: Reader = stage.reader("ann")
        ann.url = ann.url.replace(str(address.port), str(line.address[1]))
        async with ann, stage.reader("bob") as bob:
            stream = await bob.ask(stage.conversation, "go", model=QUICK)
            line.set(bytes_per_s=1000)
            await asyncio.gather(ann.follow_stream(stream), bob.follow_stream(stream))
            await bob.ended(stream)
            await ann.ended_somewhere(stream, 180)
            stage.judge()
        assert set(ann.lost_with) <= {4008}
        assert not bob.lost_with
