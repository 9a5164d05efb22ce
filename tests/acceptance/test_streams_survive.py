"""Readers come and go, lose their connection and their server; what they end with is exactly the text of the row."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import pytest

from streaming.events import Position
from tests.acceptance.chat_client import ChatClient
from tests.acceptance.rig import Demo, is_alive, until
from tests.acceptance.simulator_process import SimulatorProcess
from tests.acceptance.stream_view import StreamView

pytestmark = pytest.mark.acceptance

#: Emoji joined by ZWJ, \r\n and three-byte characters; slow enough for each delta to be an event of its own. They go
#: on until their readers were cut often enough, however long a machine takes to come back, and are stopped then.
STORY = "sim-tokens=8000+rate=20+unicode=1"
MESSAGES = "sim-tokens=8000+rate=20+unicode=1+seed=3"
#: These are told to come to their end.
JOINED = "sim-tokens=3000+rate=25+unicode=1+seed=5"
MOVED = "sim-tokens=3000+rate=25+unicode=1+seed=6"
SHORT = "sim-tokens=30+rate=40+unicode=1"
MODELS, ANTHROPIC_MODELS = [STORY, JOINED, MOVED, SHORT], [MESSAGES]


async def follow_with_cuts(client: ChatClient, generation: str, *, before_delivery: bool, times: int) -> list[Position]:
    """Read a stream while losing the connection at every position, so often; returns where it was cut. The client is
    connected then, and reads on.

    `before_delivery`: frames had been sent and were never read; else all that arrived had been applied.
    """
    cuts: list[Position] = []
    await client.connect()
    await client.subscribe(generation)
    view = client.view(generation)
    while view.end is None and len(set(cuts)) < times:
        seen = view.position
        if before_delivery:
            client.pause()
            await asyncio.sleep(0.06)  # a frame arrives meanwhile that will never be read
        else:
            await client.until(lambda seen=seen: view.position > seen, "the next event")
            if view.end is not None:
                break
        await client.drop()
        cuts.append(view.position)
        await client.connect()
        await client.subscribe(generation)
        if before_delivery:
            await client.until(lambda seen=seen: view.position > seen or view.end is not None, "what was missed")
    return cuts


def assert_same_text(demo: Demo, generation: str, *views: StreamView) -> None:
    row = demo.row_text(generation)
    assert row
    for view in views:
        assert view.text == row
        assert view.is_whole
        assert view.unrecovered == 0, "the log was there: nothing may have been unprovable"


async def test_two_readers_end_equal_though_one_is_cut_at_every_position(demo: Demo) -> None:
    steady, cut_after, cut_before = readers = demo.client("ann"), demo.client("ann"), demo.client("bob")
    async with contextlib.AsyncExitStack() as tabs:
        await tabs.enter_async_context(steady)
        for client in (cut_after, cut_before):
            tabs.push_async_callback(client.close)
        generation = await steady.ask(demo.shared_conversation(), "tell", model=STORY)
        await steady.subscribe(generation)
        after, before = await asyncio.gather(
            follow_with_cuts(cut_after, generation, before_delivery=False, times=60),
            follow_with_cuts(cut_before, generation, before_delivery=True, times=30),
        )
        await steady.command("generation.stop", generation=generation)
        view, *_ = [await client.ended(generation) for client in readers]
    assert view.holes == 0
    assert len(set(after)) >= 60, "it was over before it was cut so often"
    assert len(set(before)) >= 30
    assert "\u200d" in view.text
    assert "\r" not in view.text
    assert_same_text(demo, generation, view, cut_after.view(generation), cut_before.view(generation))


async def test_what_a_person_has_seen_never_disappears(demo: Demo) -> None:
    async with demo.client("ann") as client:
        client.keep_history = True
        generation = await client.ask(demo.shared_conversation(), "tell", model=MESSAGES)
        cutting = demo.client("ann")
        cutting.keep_history = True
        await client.subscribe(generation)
        async with contextlib.AsyncExitStack() as tab:
            tab.push_async_callback(cutting.close)
            await follow_with_cuts(cutting, generation, before_delivery=True, times=30)
            for reader in (client, cutting):
                await reader.until(lambda reader=reader: len(reader.view(generation).history) > 20, "enough to compare")
            await client.command("generation.stop", generation=generation)
            view, _ = [await reader.ended(generation) for reader in (client, cutting)]
    final = demo.row_text(generation)
    for reader in (view, cutting.view(generation)):
        assert len(reader.history) > 20
        assert all(final.startswith(shown) for shown in reader.history)
        assert [len(shown) for shown in reader.history] == sorted(len(shown) for shown in reader.history)


async def test_a_second_person_joins_midway_and_a_second_tab_later(demo: Demo, simulator: SimulatorProcess) -> None:
    async with demo.client("ann") as ann, demo.client("bob") as bob, demo.client("ann") as tab:
        ann.keep_history = bob.keep_history = True
        generation = await ann.ask(demo.shared_conversation(), "tell", model=JOINED)
        await ann.subscribe(generation)
        view = ann.view(generation)
        # Beside what a late subscription was given at once.
        await ann.until(lambda: len(view.text) > 240 and view.counts.get("stream.delta", 0) > 20)
        known = len(view.text)
        await bob.subscribe(generation)
        await ann.until(lambda: len(view.text) > 480)
        await tab.subscribe(generation)
        simulator.pace(JOINED, 0)
        views = [await client.ended(generation) for client in (ann, bob, tab)]
    assert_same_text(demo, generation, *views)
    ann_saw, bob_saw = ([text for text in view.history if len(text) <= known] for view in views[:2])
    assert len(bob_saw) < len(ann_saw) / 2, "what was there when he came was shown to him piece by piece"


async def test_reconnecting_twice_without_news_replays_nothing(demo: Demo) -> None:
    async with demo.client("ann") as client:
        generation = await client.ask(demo.shared_conversation(), "tell", model=SHORT)
        await client.subscribe(generation)
        view = await client.ended(generation)
        counts = dict(view.counts)
        for _ in range(3):
            await client.drop()
            await client.connect()
            await client.subscribe(generation)
        await client.command("typing.start", conversation=demo.shared_conversation())  # answered after any replay
    assert view.counts == counts


async def test_readers_move_to_the_other_web_process_when_theirs_is_killed(
    demo: Demo, simulator: SimulatorProcess
) -> None:
    async with contextlib.AsyncExitStack() as tabs:
        clients = [await tabs.enter_async_context(demo.client(name)) for name in ("ann", "bob") * 6]
        generation = await clients[0].ask(demo.shared_conversation(), "tell", model=MOVED)
        await asyncio.gather(*(client.subscribe(generation) for client in clients))
        await clients[0].until(lambda: len(clients[0].view(generation).text) > 120)
        name = demo.busiest_web()
        killed = demo.kill(name)
        reading = asyncio.gather(*(read_on(client, generation) for client in clients))
        # Sockets of a process that is gone are closed by then, though their readers may not know it yet.
        await asyncio.to_thread(until, lambda: not is_alive(killed), "the end of the process")
        simulator.pace(MOVED, 0)
        lost = sum(await reading)
        views = [client.view(generation) for client in clients]
    demo.wait_restarted(name, killed)
    assert lost, "no reader was on the process that was killed: the test proves nothing"
    assert_same_text(demo, generation, *views)


async def read_on(client: ChatClient, generation: str) -> bool:
    """To the end, after a loss on another connection; returns whether there was one."""
    view = client.view(generation)
    await client.until(lambda: view.end is not None or client.close_code is not None, "the end")
    if is_lost := client.close_code is not None and view.end is None:
        await client.connect()
        await client.subscribe(generation)
    await client.ended(generation)
    return is_lost


async def test_what_was_accepted_while_the_queue_was_away_runs_when_it_is_back(demo: Demo) -> None:
    async with demo.client("ann") as ann:
        conversation = demo.shared_conversation()
        await ann.follow(conversation)
        demo.signal("valkey", signal.SIGSTOP)
        try:
            generation = await ann.ask(conversation, "are you there?", model=SHORT)
            await ann.until(lambda: ann.view(generation).counts.get("stream.queued", 0) > 0, "the word that it waits")
            assert demo.rows("SELECT status FROM streaming_generation WHERE id = ?", generation.replace("-", ""))
        finally:
            demo.signal("valkey", signal.SIGCONT)
        await ann.subscribe(generation)
        view = await ann.ended(generation)
    assert view.status == "completed"
    assert view.text == demo.row_text(generation)
