"""Redis loses its memory in mid-stream: no text is lost, and nobody dead gets in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from streaming import database, keys, lifecycle
from streaming.errors import Fenced, StreamingError
from streaming.events import Position
from streaming.filters import Chain, CleanText
from streaming.replay_log import LogHead
from streaming.states import Status
from tests.engine import Engine, assert_contiguous, change_row, fold, row, until
from tests.valkey import Valkey

WORDS = [f"word{n} " for n in range(40)]


async def lose_memory(engine: Engine, direct: Redis, valkey: Valkey) -> None:
    await direct.flushall()


async def lose_memory_and_scripts(engine: Engine, direct: Redis, valkey: Valkey) -> None:
    await asyncio.to_thread(valkey.restart)


Loss = Callable[[Engine, Redis, Valkey], Awaitable[None]]


@pytest.mark.parametrize("lose", [lose_memory, lose_memory_and_scripts])
async def test_a_loss_of_redis_in_mid_stream_loses_no_text(
    engine: Engine, direct: Redis, valkey: Valkey, lose: Loss
) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, *WORDS[:10])
    epoch = writer.epoch
    await lose(engine, direct, valkey)
    await engine.say(writer, *WORDS[10:])
    assert writer.epoch != epoch
    assert writer.text == "".join(WORDS)
    # The event that met the loss is in the row: whoever saw it keeps it, whoever comes now begins there.
    entries = await engine.entries(writer.generation_id)
    frozen_at = Position(entries[0].position.attempt, entries[0].position.seq - 1)
    assert_contiguous(entries, frozen_at)
    event = await engine.finish(writer)
    head = (await engine.log.heads([writer.generation_id]))[0]
    assert head == LogHead(writer.epoch, event.position, True)
    assert (await row(writer.generation_id)).text == "".join(WORDS)
    assert event.position == Position(1, len(WORDS) + 3), "with the one block that it is"


async def test_what_a_viewer_may_have_seen_is_in_the_row_before_the_log_begins_again(
    engine: Engine, direct: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "one ", "two ")
    begin, stored = engine.publisher.replay_log.begin, []

    async def watched_begin(generation_id: str, *arguments: Any, **known: Any) -> Any:
        stored.append((await row(generation_id)).text)
        return await begin(generation_id, *arguments, **known)

    monkeypatch.setattr(engine.publisher.replay_log, "begin", watched_begin)
    await direct.flushall()
    await engine.say(writer, "frozen ")
    assert stored == ["one two frozen "]
    await engine.say(writer, "after")
    assert fold(await engine.entries(writer.generation_id)) == "after"


async def test_several_losses_in_a_row_lose_no_text(engine: Engine, direct: Redis) -> None:
    writer = await engine.open_stream()
    for word in WORDS[:12]:
        await engine.say(writer, word)
        await direct.flushall()
    await engine.finish(writer)
    assert (await row(writer.generation_id)).text == "".join(WORDS[:12])


async def test_a_loss_under_load_heals_all_streams(engine: Engine, direct: Redis) -> None:
    writers = [await engine.open_stream() for _ in range(12)]
    for number, word in enumerate(WORDS):
        for writer in writers:
            writer.feed(word)
        if number == 20:
            await direct.flushall()
        await asyncio.sleep(0.002)
    for writer in writers:
        await engine.finish(writer)
        assert (await row(writer.generation_id)).text == "".join(WORDS)


async def test_text_that_comes_while_the_log_is_begun_again_is_kept(
    engine: Engine, direct: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "one ")
    may_go_on, call = asyncio.Event(), database.call

    async def slow_call(function: Any, *arguments: Any, **options: Any) -> Any:
        if function is lifecycle.checkpoint:
            await may_go_on.wait()
        return await call(function, *arguments, **options)

    monkeypatch.setattr(database, "call", slow_call)
    await direct.flushall()
    writer.feed("two ")
    await until(lambda: writer not in engine.publisher._writers)
    writer.feed("three ")
    may_go_on.set()
    await engine.say(writer, "four")
    assert writer.text == "one two three four"


async def test_a_loss_at_the_terminal_event_leaves_the_row_as_the_authority(engine: Engine, direct: Redis) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "all of it")
    await engine.publisher.render_rest(writer)
    await direct.flushall()
    event = await engine.finish(writer)
    assert event == lifecycle.ended_event(await row(writer.generation_id))
    assert await direct.exists(keys.stream_meta(writer.generation_id)) == 0


async def test_after_a_loss_the_zombie_of_an_older_attempt_writes_nothing(engine: Engine, direct: Redis) -> None:
    zombie = await engine.open_stream()
    heard: list[StreamingError] = []
    zombie.on_refused = heard.append
    await engine.say(zombie, "old ")
    await change_row(zombie.generation_id, attempt=2, text="what the living one wrote")
    await direct.flushall()
    await engine.say(zombie, "from the dead")
    assert [type(error) for error in heard] == [Fenced]
    assert await direct.keys("s:*") == []
    assert (await row(zombie.generation_id)).text == "what the living one wrote"


async def test_a_zombie_that_passed_the_row_in_time_is_refused_by_the_log(engine: Engine, direct: Redis) -> None:
    zombie = await engine.open_stream()
    await engine.say(zombie, "old ")
    await direct.flushall()
    await engine.log.begin(zombie.generation_id, 2, "living", epoch="new", last_seq=3)
    await engine.say(zombie, "from the dead")
    assert isinstance(zombie.refused, Fenced)
    assert await engine.entries(zombie.generation_id) == []


class Memory:
    """What Redis would still know after a crash: the state that was written to disk."""

    def __init__(self, client: Redis, generation_id: str) -> None:
        self._client = client
        self._names = (keys.stream_meta(generation_id), keys.stream_log(generation_id))
        self._saved: list[bytes | None] = []

    async def save(self) -> None:
        self._saved = [await self._client.dump(name) for name in self._names]

    async def restore(self) -> None:
        for name, saved in zip(self._names, self._saved, strict=True):
            assert saved is not None
            await self._client.restore(name, 60_000, saved, replace=True)


async def test_a_crash_that_costs_redis_the_newest_events_loses_no_text(engine: Engine, direct: Redis) -> None:
    writer = await engine.open_stream()
    memory = Memory(direct, writer.generation_id)
    await engine.say(writer, *WORDS[:5])
    epoch = writer.epoch
    await memory.save()
    await engine.say(writer, *WORDS[5:8])
    await memory.restore()
    await engine.say(writer, *WORDS[8:])
    assert (writer.text, writer.refused) == ("".join(WORDS), None)
    assert writer.epoch != epoch
    assert_contiguous(await engine.entries(writer.generation_id), Position(1, 10))
    await engine.finish(writer)
    assert (await row(writer.generation_id)).text == "".join(WORDS)


async def test_a_crash_that_takes_redis_back_to_an_older_attempt_does_not_end_the_newer(
    engine: Engine, direct: Redis
) -> None:
    older = await engine.open_stream()
    memory = Memory(direct, older.generation_id)
    await engine.say(older, "old ")
    await memory.save()
    engine.publisher.close(older)
    await change_row(older.generation_id, status=Status.QUEUED)
    claim = await database.call(lifecycle.claim, older.generation_id, "another worker")
    assert claim is not None
    writer = engine.publisher.open(claim, Chain([CleanText()]))
    await engine.publisher.begin(writer, claim.position)
    await engine.say(writer, "new ", "text ")
    await memory.restore()
    await engine.say(writer, "goes on")
    assert (writer.text, writer.refused) == ("new text goes on", None)
    assert await engine.logged_text(writer.generation_id) == ""  # it is in the row, where the new log begins
    await engine.say(writer, "!")
    await engine.finish(writer)
    assert (await row(writer.generation_id)).text == "new text goes on!"
