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
#: It lasts for minutes, so that the fault finds it running, and is told to hurry then.
STEADY = "sim-tokens=3000+rate=20+seed=2"
LOCKED = "sim-tokens=3000+rate=20+seed=3"
SHORT = "sim-tokens=20+rate=60+seed=4"
MODELS = [LOUD, STEADY, LOCKED, SHORT]
LOCK_S = 10.0
#: 2 s on a quiet machine. The lock lasts until the text has gone on, so nothing may ever wait for its end.
SILENT_MOST_S = 45.0
RACES = 40
#: How much sooner or later the next stop comes: more and more, while the answers always end the same way.
STEP_S, STEP_GROWS = 0.03, 1.5
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
        stage.pause("supervisor")  # nobody starts it again before all are back
        try:
            stage.kill(stage.demo.busiest_web())
            put_out = await asyncio.gather(*(back_again(reader) for reader in readers))
        finally:
            stage.resume("supervisor")
        assert any(put_out), "nobody was on the process that was killed: the test proves nothing"
        simulator.hurry(STEADY)
        await asyncio.gather(*(reader.ended_somewhere(stream) for reader in readers))
        stage.judge(calls={stream: len(simulator.exchanges(STEADY))})


async def back_again(reader: Reader) -> bool:
    """Whether it was put out; it goes on at the other process then."""
    view, conn = reader.view(*reader.followed), reader.conn
    shown = len(view.text)
    await reader.until_somewhere(lambda: len(view.text) > shown + 100, "text through the other process")
    return reader.conn > conn


async def test_row_22_a_locked_database_stops_no_heartbeat(stage: Stage) -> None:
    async with stage.reader("ann") as ann:
        stream = await ann.ask(stage.conversation, "go", model=LOCKED)
        await ann.follow_stream(stream)
        view = ann.view(stream)
        await ann.until(lambda: len(view.text) > 60, "some text")
        with stage.demo.database.locked():
            text, gaps, last, end = view.text, list[float](), time.monotonic(), time.monotonic() + LOCK_S
            while time.monotonic() < end or len(view.text) <= len(text) + 100:
                known = view.position
                await ann.until(lambda known=known: view.position > known, "text while the database is locked", 60)  # type: ignore[misc]
                gaps.append(time.monotonic() - last)
                last = time.monotonic()
        await ann.command("generation.stop", generation=stream)
        await ann.ended(stream)
        stage.judge()
    assert max(gaps) <= SILENT_MOST_S, "the stream waited for the database"
    assert not ann.lost_with


async def test_row_34_a_stop_that_races_the_end_leaves_one_end(stage: Stage) -> None:
    chance, ends, after_s, step_s = random.Random(34), list[str](), 0.4, STEP_S
    races = RACES if stage.is_sqlite else RACES // 2
    for first in range(0, races, RACES_PER_SOCKET):
        async with stage.reader("ann") as ann, stage.reader("bob") as bob:
            for _ in range(first, min(first + RACES_PER_SOCKET, races)):
                ends.append(await race(stage, ann, bob, after_s + chance.uniform(0.0, 0.05)))
                # Where the two meet depends on the machine: it is approached from both sides, again and again.
                step_s = STEP_S if ends[-1] not in ends[-2:-1] else step_s * STEP_GROWS
                after_s = max(0.0, after_s + (step_s if ends[-1] == "stopped" else -step_s))
            stage.judge()
    assert set(ends) == {"completed", "stopped"}, "no race: the test proves nothing"


async def race(stage: Stage, ann: Reader, bob: Reader, after_s: float) -> str:
    """Stops a short answer about when it ends; returns how it ended for everybody."""
    stream = await ann.ask(stage.conversation, "go", model=SHORT)
    await asyncio.gather(ann.follow_stream(stream), bob.follow_stream(stream), stop_after(after_s, bob, stream))
    ends = [(await reader.ended(stream)).status for reader in (ann, bob)]
    assert ends[0] == ends[1] == stage.status(stream)
    return str(ends[0])


async def stop_after(seconds: float, reader: Reader, stream: str) -> None:
    await asyncio.sleep(seconds)
    await reader.command("generation.stop", generation=stream)


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
                seen = lambda r=reader, m=messages: m <= r.conversations[stage.conversation]["messages"].keys()  # type: ignore[misc]  # noqa: E731
                await reader.until(seen, "both messages")
            await asyncio.to_thread(wait_all_ended, stage.demo, 90)
        stage.judge()
        all_known = [reader.conversations[stage.conversation]["messages"] for reader in (ann, bob)]
        orders = [sorted(known, key=lambda m, k=known: (k[m]["created_at"], m)) for known in all_known]
        assert orders[0] == orders[1]
