"""Rows 4, 6, 22, 34 and 35 of the fault matrix: web processes, their clients, and the database under them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import time
import uuid

import pytest

from tests.acceptance.simulator_process import SimulatorProcess
from tests.reliability.ground_truth import wait_all_ended
from tests.reliability.reader import Reader
from tests.reliability.stage import ON_SQLITE, Stage

pytestmark = pytest.mark.reliability

LOUD = "sim-tokens=100000+seed=1"
STEADY = "sim-tokens=160+rate=20+seed=2"
LOCKED = "sim-tokens=2000+rate=20+seed=3"
SHORT = "sim-tokens=20+rate=60+seed=4"
MODELS = [LOUD, STEADY, LOCKED, SHORT]
LOCK_S = 10.0
#: 2 s on a quiet machine. Another is given more, but not as much as the lock takes.
SILENT_MOST_S = 8.5
RACES = 40
#: On a machine on which a web process starts within it; on a slower one, its start.
A_MOMENT_S = 3.0
RACES_PER_SOCKET = 8  # two commands each: a socket may send 20 at once


def resident_kib(pid: int) -> int:
    return int(subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True).stdout)


@ON_SQLITE
async def test_row_4_a_client_that_never_reads_is_put_out_and_delays_nobody(stage: Stage) -> None:
    webs = [stage.demo.pid(name) for name in ("web 1", "web 2")]
    async with stage.demo.client("bob", acks=False, pongs=False, heal=False) as deaf, stage.reader("ann") as ann:
        stream = await ann.ask(stage.conversation, "go", model=LOUD)
        await deaf.subscribe(stream)
        deaf.pause()
        before = [resident_kib(pid) for pid in webs]
        await ann.follow_stream(stream)
        view = await ann.ended(stream)
        assert len(view.text) > 262_144
        grown = [resident_kib(pid) - kib for pid, kib in zip(webs, before, strict=True)]
        await asyncio.sleep(10.5)  # its deadline of 10 s counts from when its window was full, at the latest from now
        deaf.resume()
        assert await deaf.closed() == 4008, f"{deaf.view(stream).counts}, {len(deaf.view(stream).text)} characters"
        assert view.holes == 0
        stage.judge()
    assert max(grown) <= 25_000, "the web process holds what a client does not take"
    assert not ann.lost_with


async def test_row_6_a_killed_web_process_costs_its_readers_a_moment(stage: Stage, simulator: SimulatorProcess) -> None:
    async with contextlib.AsyncExitStack() as tabs:
        readers = [await tabs.enter_async_context(stage.reader(name)) for name in ("ann", "bob") * 4]
        stream = await readers[0].ask(stage.conversation, "go", model=STEADY)
        await asyncio.gather(*(reader.follow_stream(stream) for reader in readers))
        await readers[0].until(lambda: len(readers[0].view(stream).text) > 100, "some text")
        name = stage.demo.busiest_web()
        killed = stage.demo.pid(name)
        at = stage.kill(name)
        restarted = asyncio.create_task(restarted_at(stage, name, killed))
        await asyncio.gather(*(reader.ended_somewhere(stream, 90) for reader in readers))
        stage.judge(calls={stream: len(simulator.exchanges(STEADY))})
        back = [entry.t - at for entry in stage.history.entries if entry.op == "connect" and entry.t > at]
        start_s = await restarted - at
    assert back, "nobody was on the process that was killed: the test proves nothing"
    assert max(back) <= max(A_MOMENT_S, start_s), "they waited for the process that was killed"


async def restarted_at(stage: Stage, name: str, killed: int) -> float:
    await stage.demo.back(name, killed)
    return time.monotonic()


async def test_row_22_a_locked_database_stops_no_heartbeat(stage: Stage) -> None:
    async with stage.reader("ann") as ann:
        stream = await ann.ask(stage.conversation, "go", model=LOCKED)
        await ann.follow_stream(stream)
        view = ann.view(stream)
        await ann.until(lambda: len(view.text) > 60, "some text")
        with stage.demo.database.locked():
            text, gaps, last, end = view.text, list[float](), time.monotonic(), time.monotonic() + LOCK_S
            while time.monotonic() < end:
                known = view.position
                await ann.until(lambda known=known: view.position > known, "text while the database is locked", 60)  # type: ignore[misc]
                gaps.append(time.monotonic() - last)
                last = time.monotonic()
        assert len(view.text) > len(text) + 100
        await ann.command("generation.stop", generation=stream)
        await ann.ended(stream)
        stage.judge()
    assert max(gaps) <= SILENT_MOST_S, "the stream waited for the database"
    assert not ann.lost_with


async def test_row_34_a_stop_that_races_the_end_leaves_one_end(stage: Stage) -> None:
    chance, statuses, after_s = random.Random(34), set[str](), 0.2
    races = RACES if stage.is_sqlite else RACES // 2
    for first in range(0, races, RACES_PER_SOCKET):
        async with stage.reader("ann") as ann, stage.reader("bob") as bob:
            for _ in range(first, min(first + RACES_PER_SOCKET, races)):
                status = await race(stage, ann, bob, after_s + chance.uniform(0.0, 0.05))
                statuses.add(status)
                # Where the two meet depends on the machine: it is approached from both sides, again and again.
                after_s = max(0.0, after_s + (0.03 if status == "stopped" else -0.03))
            stage.judge()
    assert statuses == {"completed", "stopped"}, "no race: the test proves nothing"


async def race(stage: Stage, ann: Reader, bob: Reader, after_s: float) -> str:
    """Stops a short answer about when it ends; returns how it ended for everybody."""
    stream = await ann.ask(stage.conversation, "go", model=SHORT)
    await asyncio.gather(ann.follow_stream(stream), bob.follow_stream(stream))
    view = ann.view(stream)
    await ann.until(lambda: bool(view.text), "text")
    await asyncio.sleep(after_s)
    await bob.command("generation.stop", generation=stream)
    ends = [(await reader.ended(stream)).status for reader in (ann, bob)]
    assert ends[0] == ends[1] == stage.status(stream)
    return str(ends[0])


async def test_row_35_two_tabs_that_send_at_once_are_in_one_order_for_all(stage: Stage) -> None:
    async with stage.reader("ann") as ann, stage.reader("bob") as bob:
        for reader in (ann, bob):
            await reader.follow(stage.conversation)
        for _ in range(5):
            sending = [
                reader.command(
                    "message.send",
                    conversation=stage.conversation,
                    text=f"from {reader.name}",
                    model=SHORT,
                    client_message_id=str(uuid.uuid4()),
                )
                for reader in (ann, bob)
            ]
            asked = await asyncio.gather(*sending)
            messages = {answer["message"] for answer in asked}
            for reader in (ann, bob):
                known = reader.conversations[stage.conversation]["messages"]
                await reader.until(lambda known=known, m=messages: m <= known.keys(), "both messages")  # type: ignore[misc]
            await asyncio.to_thread(wait_all_ended, stage.demo, 90)
        stage.judge()
        seen = [reader.conversations[stage.conversation]["messages"] for reader in (ann, bob)]
        orders = [sorted(known, key=lambda m, k=known: (k[m]["created_at"], m)) for known in seen]
        assert orders[0] == orders[1]
