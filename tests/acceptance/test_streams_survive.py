"""Readers come and go, lose their connection and their server; what they end with is exactly the text of the row."""

from __future__ import annotations

import asyncio
import signal

import pytest

from streaming.events import Position
from tests.acceptance.chat_client import ChatClient
from tests.acceptance.rig import Demo, until
from tests.acceptance.stream_view import StreamView

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

#: Emoji joined by ZWJ, \r\n and three-byte characters; slow enough for each delta to be an event of its own, and so
#: many that 60 are left where a busy machine joins some.
STORY = "sim-tokens=150+rate=20+unicode=1"
LONG = "sim-tokens=200+rate=25+unicode=1+seed=5"
MESSAGES = "sim-tokens=90+rate=20+unicode=1+seed=3"
MODELS, ANTHROPIC_MODELS = [STORY, LONG], [MESSAGES]


async def new_conversation(demo: Demo, client: ChatClient) -> str:
    """Where nobody else's answer runs: the shared one, once it is free."""
    conversation = demo.shared_conversation()

    def quiet() -> bool:
        running = demo.rows("SELECT 1 FROM streaming_generation WHERE status IN ('queued', 'admitted', 'streaming')")
        return not running

    until(quiet, "the end of earlier answers", 60)
    return conversation


async def follow_with_cuts(client: ChatClient, generation: str, *, before_delivery: bool) -> list[Position]:
    """Read a stream to its end while losing the connection at every position; returns where it was cut.

    `before_delivery`: frames had been sent and were never read; else all that arrived had been applied.
    """
    cuts: list[Position] = []
    await client.connect()
    await client.subscribe(generation)
    view = client.view(generation)
    while view.end is None:
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
    await client.close()
    return cuts


def assert_same_text(demo: Demo, generation: str, *views: StreamView) -> None:
    row = demo.row_text(generation)
    assert row
    for view in views:
        assert view.text == row
        assert view.is_whole
        assert view.unrecovered == 0, "the log was there: nothing may have been unprovable"


async def test_two_readers_end_equal_though_one_is_cut_at_every_position(demo: Demo) -> None:
    steady, cut_after, cut_before = demo.client("ann"), demo.client("ann"), demo.client("bob")
    async with steady:
        conversation = await new_conversation(demo, steady)
        generation = await steady.ask(conversation, "tell", model=STORY)
        await steady.subscribe(generation)
        after, before = await asyncio.gather(
            follow_with_cuts(cut_after, generation, before_delivery=False),
            follow_with_cuts(cut_before, generation, before_delivery=True),
        )
        view = await steady.ended(generation)
    assert view.counts["stream.delta"] >= 60
    assert view.holes == 0
    assert len(set(after)) >= 60, "it was not cut at every position"
    assert len(set(before)) >= 20
    assert "\u200d" in view.text
    assert "\r" not in view.text
    assert_same_text(demo, generation, view, cut_after.view(generation), cut_before.view(generation))


async def test_what_a_person_has_seen_never_disappears(demo: Demo) -> None:
    async with demo.client("ann") as client:
        client.keep_history = True
        conversation = await new_conversation(demo, client)
        generation = await client.ask(conversation, "tell", model=MESSAGES)
        cutting = demo.client("ann")
        cutting.keep_history = True
        await client.subscribe(generation)
        await follow_with_cuts(cutting, generation, before_delivery=True)
        view = await client.ended(generation)
    final = demo.row_text(generation)
    for reader in (view, cutting.view(generation)):
        assert len(reader.history) > 20
        assert all(final.startswith(shown) for shown in reader.history)
        assert [len(shown) for shown in reader.history] == sorted(len(shown) for shown in reader.history)


async def test_a_second_person_joins_midway_and_a_second_tab_later(demo: Demo) -> None:
    async with demo.client("ann") as ann, demo.client("bob") as bob, demo.client("ann") as tab:
        conversation = await new_conversation(demo, ann)
        generation = await ann.ask(conversation, "tell", model=LONG)
        await ann.subscribe(generation)
        await ann.until(lambda: len(ann.view(generation).text) > 240)
        await bob.subscribe(generation)
        await ann.until(lambda: len(ann.view(generation).text) > 480)
        await tab.subscribe(generation)
        views = [await client.ended(generation) for client in (ann, bob, tab)]
    assert_same_text(demo, generation, *views)
    assert views[1].counts["stream.delta"] < views[0].counts["stream.delta"]


async def test_reconnecting_twice_without_news_replays_nothing(demo: Demo) -> None:
    async with demo.client("ann") as client:
        conversation = await new_conversation(demo, client)
        generation = await client.ask(conversation, "tell", model=STORY)
        await client.subscribe(generation)
        view = await client.ended(generation)
        counts = dict(view.counts)
        for _ in range(3):
            await client.drop()
            await client.connect()
            await client.subscribe(generation)
        await client.command("typing.start", conversation=conversation)  # its answer comes after any replay
    assert view.counts == counts


async def test_readers_move_to_the_other_web_process_when_theirs_is_killed(demo: Demo) -> None:
    clients = [demo.client(name) for name in ("ann", "bob") * 6]
    for client in clients:
        await client.connect()
    conversation = await new_conversation(demo, clients[0])
    generation = await clients[0].ask(conversation, "tell", model=LONG)
    for client in clients:
        await client.subscribe(generation)
    await clients[0].until(lambda: len(clients[0].view(generation).text) > 120)
    name = demo.busiest_web()
    killed = demo.kill(name)
    lost = 0
    for client in clients:
        view = client.view(generation)
        before = view.position
        try:
            await client.until(lambda view=view, before=before: view.position > before, "news")
        except AssertionError:
            lost += 1
            await client.connect()
            await client.subscribe(generation)
    views = [await client.ended(generation) for client in clients]
    for client in clients:
        await client.close()
    demo.wait_restarted(name, killed)
    assert lost, "no reader was on the process that was killed: the test proves nothing"
    assert_same_text(demo, generation, *views)


async def test_what_was_accepted_while_the_queue_was_away_runs_when_it_is_back(demo: Demo) -> None:
    async with demo.client("ann") as ann:
        conversation = await new_conversation(demo, ann)
        await ann.follow(conversation)
        demo.signal("valkey", signal.SIGSTOP)
        try:
            generation = await ann.ask(conversation, "are you there?", model=STORY)
            await ann.until(lambda: ann.view(generation).counts.get("stream.queued", 0) > 0, "the word that it waits")
            assert demo.rows("SELECT status FROM streaming_generation WHERE id = ?", generation.replace("-", ""))
        finally:
            demo.signal("valkey", signal.SIGCONT)
        await ann.subscribe(generation)
        view = await ann.ended(generation, 60)
    assert view.status == "completed"
    assert view.text == demo.row_text(generation)
