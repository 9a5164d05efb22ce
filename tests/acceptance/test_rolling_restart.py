"""Processes that are asked to end lose nothing: sockets are told when to come back, answers go to another worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter

import pytest

from tests.acceptance.chat_client import ChatClient
from tests.acceptance.rig import Demo, is_alive, until
from tests.acceptance.simulator_process import SimulatorProcess
from tests.simulator.text import text_of

pytestmark = pytest.mark.acceptance

CLIENTS = 20
#: They go on for minutes, until a process has ended, and are then told to come to their end. The first one slowly: what
#: its readers have not acknowledged when they stand still for a while leaves room for the hint.
STORY = "sim-tokens=3000+rate=4+seed=11"
SHORT = "sim-tokens=10+seed=12"
ANSWERS = 6
#: Asked to go on, they go on where they stopped.
LONG = [f"sim-tokens=3000+rate=20+repeat=0+seed={20 + number}" for number in range(ANSWERS)]
MODELS = [STORY, SHORT, *LONG]
#: Half of it is promised where the machine is ours.
GOES_ON_WITHIN_S = 30.0 if os.environ.get("CHATSITE_FULL") == "1" else 150.0


def hints(client: ChatClient) -> list[int]:
    return [frame["after_ms"] for frame in client.frames if frame["type"] == "reconnect"]


async def through_a_restart(client: ChatClient, generation: str) -> str:
    """Read to the end; if the server restarts meanwhile, come back when it said. Returns what happened."""
    view = client.view(generation)
    await client.until(lambda: view.end is not None or client.close_code is not None, "the end", 150)
    if view.end is not None:
        return "stayed"
    assert client.close_code == 1012
    (after_ms,) = hints(client)
    await asyncio.sleep(after_ms / 1000)
    await client.connect()
    await client.subscribe(generation)
    await client.ended(generation)
    return "came back"


async def test_a_web_process_that_ends_tells_its_sockets_when_to_come_back(
    demo: Demo, simulator: SimulatorProcess
) -> None:
    async with contextlib.AsyncExitStack() as tabs:
        names = ("ann", "bob") * (CLIENTS // 2)
        clients = [await tabs.enter_async_context(demo.client(name)) for name in names]
        generation = await clients[0].ask(demo.shared_conversation(), "tell", model=STORY)
        await asyncio.gather(*(client.subscribe(generation) for client in clients))
        first = clients[0].view(generation)
        await clients[0].until(lambda: len(first.text) > 40, "some text")
        name = demo.busiest_web()
        ended = demo.signal(name, signal.SIGTERM)
        reading = asyncio.gather(*(through_a_restart(client, generation) for client in clients))
        await asyncio.to_thread(until, lambda: not is_alive(ended), "the end of the process")
        simulator.pace(STORY, 0)
        happened = Counter(await reading)
    demo.wait_restarted(name, ended)
    assert happened["came back"], "no socket was on the process that ended: the test proves nothing"
    told = [hint for client in clients for hint in hints(client)]
    assert len(told) == happened["came back"]
    assert all(0 <= after_ms <= 10_000 for after_ms in told)
    assert first.text == text_of(STORY) == demo.row_text(generation)
    assert all(client.view(generation).text == first.text for client in clients)
    assert not any(client.view(generation).unrecovered for client in clients)


async def test_what_is_asked_while_the_web_process_ends_is_answered_once(demo: Demo) -> None:
    """The answer to the command may be lost with the socket; the same command again is harmless."""
    async with demo.client("ann") as ann, demo.client("bob") as bob:
        conversation, number = demo.shared_conversation(), "asked-in-the-end"
        await bob.follow(conversation)
        ended = [demo.signal(name, signal.SIGTERM) for name in ("web 1", "web 2")]
        await ann.until(lambda: bool(hints(ann)), "the hint")
        asking = asyncio.create_task(ann.ask(conversation, "still there?", model=SHORT, client_message_id=number))
        await ann.closed()
        await asyncio.wait({asking})
        for name, pid in zip(("web 1", "web 2"), ended, strict=True):
            await demo.back(name, pid)
        await ann.connect()
        generation = await ann.ask(conversation, "still there?", model=SHORT, client_message_id=number)
        await ann.subscribe(generation)
        await ann.ended(generation)
        assert asking.exception() is not None or asking.result() == generation
    assert demo.row_text(generation) == text_of(SHORT)
    assert len(demo.rows("SELECT 1 FROM chat_message WHERE client_message_id = ?", number)) == 1


async def test_a_worker_that_ends_hands_its_answers_over(demo: Demo, simulator: SimulatorProcess) -> None:
    async with demo.client("ann") as ann:
        generations = await six_running_answers(demo, ann)
        holders = {generation: holder(demo, generation) for generation in generations}
        name, moving = Counter(holders.values()).most_common(1)[0]
        at, ended = time.monotonic(), demo.signal(name, signal.SIGTERM)
        moved = [generation for generation in generations if holders[generation] == name]
        for generation in moved:
            view = ann.view(generation)
            await ann.until(lambda view=view: view.position.attempt == 2, "the next attempt")
        went_on_after_s = time.monotonic() - at
        await asyncio.to_thread(until, lambda: not is_alive(ended), "the end of the worker")
        for model in LONG:
            simulator.pace(model, 0)
        views = [await ann.ended(generation) for generation in generations]
        await demo.back(name, ended)
    assert moving >= 1
    assert went_on_after_s <= float(demo.env["DRAIN_SECONDS"]) + GOES_ON_WITHIN_S
    assert [view.status for view in views] == ["completed"] * ANSWERS
    assert [view.text for view in views] == [text_of(model) for model in LONG]
    assert [demo.row_text(generation) for generation in generations] == [view.text for view in views]
    for generation in generations:
        expected = ["retried", "completed"] if generation in moved else ["completed"]
        assert outcomes(demo, generation) == expected


async def six_running_answers(demo: Demo, client: ChatClient) -> list[str]:
    """Each in a conversation of its own, since one conversation answers one question at a time."""
    session = await asyncio.to_thread(demo.session, "ann")
    conversations = [await asyncio.to_thread(session.new_conversation) for _ in LONG]
    generations = []
    for conversation, model in zip(conversations, LONG, strict=True):
        generation = await client.ask(conversation, "tell", model=model)
        await client.subscribe(generation)
        generations.append(generation)
    for generation in generations:
        view = client.view(generation)
        await client.until(lambda view=view: len(view.text) > 80, "some text")
    return generations


def holder(demo: Demo, generation: str) -> str:
    """The name of the worker that runs it."""
    worker = demo.rows("SELECT worker FROM streaming_generation WHERE id = ?", generation.replace("-", ""))[0]["worker"]
    return next(name for name, pid in demo.pids().items() if pid == int(worker.split(":")[1]))


def outcomes(demo: Demo, generation: str) -> list[str]:
    query = "SELECT outcome FROM streaming_attempt WHERE generation_id = ? ORDER BY number"
    return [row["outcome"] for row in demo.rows(query, generation.replace("-", ""))]
