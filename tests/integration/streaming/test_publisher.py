from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis import RedisError
from redis.asyncio import Redis

from streaming import append_pipe, database, keys, lifecycle, publisher, redis_client
from streaming.errors import Fenced, StopRequested, StreamingError
from streaming.events import Delta, Position, Started, UsageReported
from streaming.filters import Chain, CleanText
from streaming.states import Status
from tests.engine import Engine, ask, assert_contiguous, change_row, fold, row, until, usage_of
from tests.valkey import Valkey
from tests.wire import FaultyWire

WORDS = [f"word{n} " for n in range(40)]


@pytest.fixture
async def wire(valkey: Valkey, tmp_path: Path, settings: Any) -> AsyncIterator[FaultyWire]:
    """Between the engine and Valkey; ask for it before `engine`."""
    between = FaultyWire(valkey.socket, tmp_path / "wire.sock")
    await between.open()
    yield between
    await between.aclose()


@pytest.fixture
async def wired(wire: FaultyWire, streaming_settings: dict[str, Any], settings: Any) -> FaultyWire:
    settings.STREAMING = streaming_settings | {"redis_url": wire.url}
    return wire


async def test_text_is_appended_in_order_under_its_positions(engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, *WORDS)
    events = await engine.events(writer.generation_id)
    assert isinstance(events[0], Started)
    assert [event.text for event in events if isinstance(event, Delta)] == WORDS
    assert writer.position == Position(1, len(WORDS) + 1)
    await engine.finish(writer)
    await engine.assert_replay_equals_text(writer.generation_id)


async def test_many_streams_share_one_appender_and_none_loses_a_letter(engine: Engine) -> None:
    writers = [await engine.open_stream() for _ in range(25)]
    for word in WORDS:
        for writer in writers:
            writer.feed(f"{writer.generation_id[:4]}-{word}")
        await asyncio.sleep(0)
    for writer in writers:
        await engine.finish(writer)
        stored = await engine.assert_replay_equals_text(writer.generation_id)
        assert stored.text == "".join(f"{writer.generation_id[:4]}-{word}" for word in WORDS)


async def test_events_that_are_not_text_come_after_all_text(engine: Engine) -> None:
    writer = await engine.open_stream()
    writer.feed("last words")
    await engine.publisher.append(writer, "o", usage_of(writer))
    kinds = [entry.kind for entry in await engine.entries(writer.generation_id)]
    assert kinds == ["o", "d", "o"]


# Windows, while the process is busy.


#: Long enough to be seen on a slow machine.
WINDOW_S = 0.8


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch, streaming_settings: dict[str, Any], settings: Any) -> None:
    """Always, with windows long enough to see; ask for it before `engine`."""
    monkeypatch.setattr(publisher, "CALM_EVENTS_PER_S", 0.0)
    monkeypatch.setattr(publisher, "TURNS_MIN", publisher.TURNS_MAX)
    settings.STREAMING = streaming_settings | {"window_s": WINDOW_S, "window_max_s": WINDOW_S}


async def test_a_busy_process_appends_one_event_per_stream_and_window(busy: None, engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "first ")
    began = asyncio.get_running_loop().time()
    for _ in range(60):
        writer.feed("more ")
        await asyncio.sleep(0.02)
    windows = (asyncio.get_running_loop().time() - began) / WINDOW_S  # 1.5, and more where the machine is slow
    deltas = [event for event in await engine.events(writer.generation_id) if isinstance(event, Delta)]
    assert 2 <= len(deltas) <= windows + 2
    await engine.finish(writer)
    await engine.assert_replay_equals_text(writer.generation_id)


async def test_a_stream_whose_window_is_over_does_not_wait_for_that_of_another(busy: None, engine: Engine) -> None:
    rested, talking = await engine.open_stream(), await engine.open_stream()
    await engine.say(rested, "first ")
    await asyncio.sleep(WINDOW_S)
    await engine.say(talking, "first ", "second ")  # the second one waited for its window; the next begins now
    rested.feed("second ")
    began = asyncio.get_running_loop().time()
    await until(lambda: rested.text == "first second ")
    assert asyncio.get_running_loop().time() - began < WINDOW_S * 0.75


# A reply is lost: the append ran, the connection broke.


async def test_a_lost_reply_repeats_the_event_and_doubles_no_text(wired: FaultyWire, engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "before ")
    wired.lose_reply_to(b"precious")
    await engine.say(writer, "precious ", "after")
    assert wired.lost.is_set()
    await engine.finish(writer)
    stored = await engine.assert_replay_equals_text(writer.generation_id)
    assert stored.text == "before precious after"


async def test_a_lost_reply_and_then_a_stop_keeps_exactly_what_viewers_saw(wired: FaultyWire, engine: Engine) -> None:
    writer = await engine.open_stream()
    heard: list[StreamingError] = []
    writer.on_refused = heard.append
    await engine.say(writer, "before ")
    wired.lose_reply_to(b"precious")
    writer.feed("precious")
    await wired.lost.wait()
    await engine.log.request_stop(writer.generation_id)
    writer.feed(" never seen")
    await until(lambda: heard)
    assert isinstance(heard[0], StopRequested)
    assert (writer.text, writer.position) == ("before precious", Position(1, 3))
    event = await engine.finish(writer, Status.STOPPED)
    stored = await engine.assert_replay_equals_text(writer.generation_id)
    assert (stored.text, event.position) == ("before precious", Position(1, 5))


async def test_a_lost_reply_to_the_terminal_event_leaves_exactly_one(wired: FaultyWire, engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "all")
    wired.lose_reply_to(b"stream.completed")
    await engine.finish(writer)
    assert wired.lost.is_set()
    await engine.assert_replay_equals_text(writer.generation_id)


async def test_a_lost_reply_to_begin_leaves_one_log(wired: FaultyWire, engine: Engine) -> None:
    claim = await database.call(lifecycle.claim, await ask(), "worker-under-test")
    assert claim is not None
    writer = engine.publisher.open(claim, Chain([CleanText()]))
    wired.lose_reply_to(writer.token.encode())
    with pytest.raises(RedisError):
        await engine.publisher.begin(writer, claim.position)
    await engine.publisher.begin(writer, claim.position)
    await engine.say(writer, "text")
    assert_contiguous(await engine.entries(writer.generation_id))


async def test_connections_that_the_server_kills_lose_and_double_nothing(engine: Engine, direct: Redis) -> None:
    writer = await engine.open_stream()
    for word in WORDS:
        writer.feed(word)
        await direct.client_kill_filter(_type="normal", skipme=True)
    await engine.finish(writer)
    stored = await engine.assert_replay_equals_text(writer.generation_id)
    assert stored.text == "".join(WORDS)


# A stop.


async def test_after_a_stop_no_text_passes_but_usage_and_end_do(engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "seen")
    await engine.log.request_stop(writer.generation_id)
    await engine.say(writer, "unseen")
    await engine.publisher.append(writer, "o", usage_of(writer))
    await engine.finish(writer, Status.STOPPED)
    stored = await engine.assert_replay_equals_text(writer.generation_id)
    assert stored.text == "seen"
    assert [type(event) for event in await engine.events(writer.generation_id)][2] is UsageReported


# Redis is away.


async def test_redis_away_in_mid_stream_delays_text_and_loses_none(wired: FaultyWire, engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, *WORDS[:5])
    wired.cut()
    for word in WORDS[5:20]:
        writer.feed(word)
    await until(lambda: writer.frozen is not None)
    assert writer.text == "".join(WORDS[:5])
    wired.mend()
    for word in WORDS[20:]:
        writer.feed(word)
    await engine.finish(writer)
    stored = await engine.assert_replay_equals_text(writer.generation_id)
    assert stored.text == "".join(WORDS)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands time out early; ask for it before `engine`."""
    make = redis_client.make
    monkeypatch.setattr(append_pipe, "ANSWER_S", 0.2)
    monkeypatch.setattr(
        redis_client, "make", lambda connections, timeout_s=0.0: make(connections=connections, timeout_s=0.2)
    )


async def test_a_redis_that_hangs_delays_text_and_loses_none(impatient: None, engine: Engine, valkey: Valkey) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, *WORDS[:5])
    valkey.pause()
    try:
        for word in WORDS[5:]:
            writer.feed(word)
            await asyncio.sleep(0.02)  # more than one command times out meanwhile
    finally:
        valkey.resume()
    await engine.finish(writer)
    stored = await engine.assert_replay_equals_text(writer.generation_id)
    assert stored.text == "".join(WORDS)


async def test_one_stream_that_redis_refuses_does_not_hold_up_the_others(engine: Engine, direct: Redis) -> None:
    broken, healthy = await engine.open_stream(), await engine.open_stream()
    await engine.say(broken, "x")
    await direct.set(keys.stream_log(broken.generation_id), "not a stream")
    broken.feed("y")
    started = asyncio.get_running_loop().time()
    await engine.say(healthy, *WORDS)
    assert asyncio.get_running_loop().time() - started < 15
    assert not broken.idle
    await direct.delete(keys.stream_log(broken.generation_id))
    await engine.publisher.drained(broken)
    assert broken.text == "xy"


async def test_a_server_that_forgot_the_script_is_told_it_again(engine: Engine, direct: Redis) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "one ")
    await direct.script_flush()
    await engine.say(writer, "two")
    assert fold(await engine.entries(writer.generation_id)) == "one two"


# Checkpoints.


async def test_the_row_gets_the_text_that_viewers_see_with_its_position(engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "seen")

    async def saved() -> bool:
        stored = await row(writer.generation_id)
        return (stored.text, stored.position_attempt, stored.position_seq) == ("seen", 1, 2)

    await until(saved)


async def test_a_row_that_belongs_to_somebody_else_ends_the_writer(engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "mine")
    await change_row(writer.generation_id, attempt=2, text="theirs")
    writer.feed(" more")
    await until(lambda: writer.refused)
    assert isinstance(writer.refused, Fenced)
    assert (await row(writer.generation_id)).text == "theirs"


async def test_whoever_waits_for_the_log_hears_that_the_row_is_lost(wired: FaultyWire, engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "mine")
    wired.cut()
    writer.feed(" more")
    await change_row(writer.generation_id, attempt=2)
    async with asyncio.timeout(60):
        await engine.publisher.drained(writer)
    assert isinstance(writer.refused, Fenced)


async def test_a_stop_that_redis_forgot_is_heard_from_the_row(engine: Engine) -> None:
    writer = await engine.open_stream()
    heard: list[StreamingError] = []
    writer.on_refused = heard.append
    await database.call(lifecycle.request_stop, writer.generation_id)
    await until(lambda: heard)
    assert isinstance(heard[0], StopRequested)


async def test_a_writer_that_is_ending_is_left_alone_by_the_checkpoints(engine: Engine) -> None:
    writer = await engine.open_stream()
    writer.finishing = True
    await change_row(writer.generation_id, attempt=2)
    other = await engine.open_stream()
    await engine.say(other, "x")

    async def saved() -> bool:
        return (await row(other.generation_id)).text == "x"

    await until(saved)
    assert writer.refused is None


async def test_an_end_that_overtakes_a_checkpoint_is_not_disturbed_by_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = await engine.open_stream()
    saves: list[int] = []

    def overtaken(items: Any, running: list[str]) -> tuple[set[str], set[str]]:
        writer.finishing = True
        saves.append(len(items))
        return {writer.generation_id}, {writer.generation_id}

    monkeypatch.setattr(lifecycle, "checkpoint", overtaken)
    await engine.say(writer, "x")
    await until(lambda: saves)
    other = await engine.open_stream()
    await until(lambda: len(saves) > 1)
    assert writer.refused is None
    engine.publisher.close(other)
