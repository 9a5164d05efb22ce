"""The order in which the append script decides (DESIGN 7), case by case on a real server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from streaming import keys
from streaming.errors import Fenced
from streaming.events import START, Position
from streaming.replay_log import PAGE, Begun, LogHead, ReplayLog, script
from tests.valkey import Valkey

TTL_MS = 60_000


class Stream:
    """One generation's log, written with the bare scripts."""

    def __init__(self, client: Redis) -> None:
        self.id = str(uuid.uuid4())
        self.client = client
        self.log = ReplayLog(client)

    async def begin(self, attempt: int = 1, token: str = "a", **known: Any) -> Begun:
        return await self.log.begin(self.id, attempt, token, **({"epoch": f"epoch-{attempt}-{token}"} | known))

    async def append(self, seq: int, kind: str = "d", attempt: int = 1, token: str = "a", frame: str = "") -> str:
        names = (keys.stream_meta(self.id), keys.stream_log(self.id))
        frame = frame or f"{attempt}-{seq}"
        reply = await self.client.eval(
            script("append")[0], 2, *names, attempt, token, seq, kind, frame, "channel", frame, TTL_MS
        )
        return reply.decode()  # type: ignore[no-any-return]

    async def frames(self, after: Position = START) -> list[str]:
        return [entry.frame for entry in (await self.log.read_after(self.id, after)).entries]

    async def head(self) -> LogHead | None:
        return (await self.log.heads([self.id]))[0]


@pytest.fixture
async def client(valkey: Valkey) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
def stream(client: Redis) -> Stream:
    return Stream(client)


# Append: LOST, FENCED, repeated, CLOSED, STOPPED, GAP, written.


async def test_an_append_without_a_log_is_lost_and_makes_none(stream: Stream, client: Redis) -> None:
    assert await stream.append(1) == "LOST"
    assert await client.keys("*") == []


async def test_an_append_is_written_published_and_becomes_the_head(stream: Stream, client: Redis) -> None:
    await stream.begin()
    async with client.pubsub() as listener:
        await listener.subscribe("channel")
        assert (await listener.get_message(timeout=60))["type"] == "subscribe"
        assert await stream.append(1, "o", frame="started") == "OK"
        assert (await listener.get_message(timeout=60))["data"] == b"started"
    assert await stream.frames() == ["started"]
    assert await stream.head() == LogHead("epoch-1-a", Position(1, 1), False)


@pytest.mark.parametrize(("attempt", "token"), [(1, "b"), (2, "a"), (3, "c")])
async def test_another_attempt_or_another_writer_of_the_same_attempt_is_fenced(
    stream: Stream, attempt: int, token: str
) -> None:
    await stream.begin(2, "b")
    assert await stream.append(1, attempt=attempt, token=token) == "FENCED"
    assert await stream.frames() == []


async def test_fencing_comes_before_everything_but_loss(stream: Stream) -> None:
    await stream.begin(2, "b")
    await stream.append(1, attempt=2, token="b")
    await stream.append(2, "x", attempt=2, token="b")
    await stream.log.request_stop(stream.id)
    for seq in (1, 2, 9):  # repeated, closed and stopped, gap
        assert await stream.append(seq, attempt=1, token="a") == "FENCED"


async def test_a_repeated_append_is_ok_and_changes_nothing(stream: Stream, client: Redis) -> None:
    await stream.begin()
    for seq in (1, 2, 3):
        await stream.append(seq)
    async with client.pubsub() as listener:
        await listener.subscribe("channel")
        await listener.get_message(timeout=60)
        for seq in (1, 2, 3):
            assert await stream.append(seq, frame="something else") == "OK"
        assert await listener.get_message(timeout=0.05) is None
    assert await stream.frames() == ["1-1", "1-2", "1-3"]
    assert await stream.head() == LogHead("epoch-1-a", Position(1, 3), False)


async def test_a_repeated_append_is_ok_after_a_stop_and_after_the_end(stream: Stream) -> None:
    await stream.begin()
    await stream.append(1)
    await stream.log.request_stop(stream.id)
    assert await stream.append(1) == "OK"
    assert await stream.append(2, "x") == "OK"
    assert await stream.append(1) == "OK"
    assert await stream.append(2, "x") == "OK"
    assert await stream.frames() == ["1-1", "1-2"]


@pytest.mark.parametrize("kind", ["d", "o", "x"])
async def test_nothing_follows_the_terminal_event(stream: Stream, kind: str) -> None:
    await stream.begin()
    await stream.append(1, "x")
    assert await stream.append(2, kind) == "CLOSED"
    assert await stream.append(5, kind) == "CLOSED"
    assert await stream.head() == LogHead("epoch-1-a", Position(1, 1), True)


async def test_after_a_stop_no_text_passes_but_usage_and_end_do(stream: Stream) -> None:
    await stream.begin()
    await stream.append(1)
    await stream.log.request_stop(stream.id)
    assert await stream.append(2, "d") == "STOPPED"
    assert await stream.append(9, "d") == "STOPPED"
    assert await stream.append(2, "o") == "OK"
    assert await stream.append(3, "x") == "OK"
    assert await stream.frames() == ["1-1", "1-2", "1-3"]


async def test_a_position_may_not_be_left_out(stream: Stream) -> None:
    await stream.begin()
    assert await stream.append(2) == "GAP"
    await stream.append(1)
    assert await stream.append(3) == "GAP"
    assert await stream.append(2) == "OK"


async def test_a_log_lives_on_while_it_is_written(stream: Stream, client: Redis) -> None:
    await stream.begin()
    for name in (keys.stream_meta(stream.id), keys.stream_log(stream.id)):
        await stream.append(1)
        assert 0 < await client.pttl(name) <= TTL_MS
    for name in (keys.stream_meta(stream.id), keys.stream_log(stream.id)):
        await client.pexpire(name, 500)
    for seq in range(2, 34):
        await stream.append(seq)
    for name in (keys.stream_meta(stream.id), keys.stream_log(stream.id)):
        assert await client.pttl(name) > 500


async def test_no_key_is_without_an_end_wherever_a_log_begins(stream: Stream, client: Redis) -> None:
    await stream.log.request_stop(stream.id)
    await stream.begin(last_seq=7)
    await stream.append(8, "o")
    names = await client.keys("*")
    assert len(names) == 3
    assert all([await client.pttl(name) > 0 for name in names])


# Begin.


async def test_the_first_begin_makes_the_log(stream: Stream) -> None:
    assert await stream.begin() == Begun("epoch-1-a", 0, START)
    assert await stream.head() == LogHead("epoch-1-a", START, False)


async def test_a_repeated_begin_finds_what_is_there(stream: Stream) -> None:
    await stream.begin()
    await stream.append(1)
    await stream.append(2)
    assert await stream.begin(epoch="another") == Begun("epoch-1-a", 2, START)


async def test_the_next_attempt_follows_the_last_event_under_the_same_epoch(stream: Stream) -> None:
    await stream.begin(1, "a")
    await stream.append(1)
    await stream.append(2)
    assert await stream.begin(2, "b", before=Position(9, 9)) == Begun("epoch-1-a", 0, Position(1, 2))
    assert await stream.head() == LogHead("epoch-1-a", Position(1, 2), False)
    assert await stream.append(1, attempt=2, token="b") == "OK"
    assert await stream.frames(Position(1, 1)) == ["1-2", "2-1"]


async def test_an_attempt_without_any_event_leaves_no_trace_in_the_chain(stream: Stream) -> None:
    await stream.begin(1, "a")
    await stream.append(1)
    await stream.begin(2, "b")
    assert await stream.begin(3, "c") == Begun("epoch-1-a", 0, Position(1, 1))


@pytest.mark.parametrize(("attempt", "token"), [(1, "a"), (1, "z"), (2, "z")])
async def test_an_older_attempt_or_another_writer_of_it_cannot_begin(stream: Stream, attempt: int, token: str) -> None:
    await stream.begin(2, "b")
    with pytest.raises(Fenced):
        await stream.begin(attempt, token)
    assert await stream.append(1, attempt=2, token="b") == "OK"


@pytest.mark.parametrize(("attempt", "token"), [(1, "a"), (2, "b")])
async def test_a_log_that_is_closed_does_not_begin_again(stream: Stream, attempt: int, token: str) -> None:
    await stream.begin(1, "a")
    await stream.append(1, "x")
    with pytest.raises(Fenced):
        await stream.begin(attempt, token)


async def test_a_log_begun_again_after_a_loss_goes_on_where_its_writer_stood(stream: Stream, client: Redis) -> None:
    await stream.begin(2, "b")
    await client.flushall()
    begun = await stream.begin(2, "b", epoch="new", last_seq=7, before=Position(1, 3))
    assert begun == Begun("new", 7, Position(1, 3))
    assert await stream.append(7, attempt=2, token="b") == "OK"
    assert await stream.append(8, attempt=2, token="b") == "OK"
    assert await stream.append(10, attempt=2, token="b") == "GAP"
    assert await stream.frames() == ["2-8"]


async def test_a_log_that_is_behind_what_its_writer_knows_begins_again(stream: Stream) -> None:
    await stream.begin(2, "b")
    for seq in (1, 2, 3):
        await stream.append(seq, attempt=2, token="b")
    assert (await stream.begin(2, "b", epoch="unused", last_seq=3)).epoch == "epoch-2-b"
    assert await stream.begin(2, "b", epoch="new", last_seq=5) == Begun("new", 5, START)
    assert await stream.frames() == []
    assert await stream.append(6, attempt=2, token="b") == "OK"


async def test_after_a_flush_the_zombie_of_an_older_attempt_neither_appends_nor_begins(
    stream: Stream, client: Redis
) -> None:
    await stream.begin(1, "zombie")
    await stream.begin(2, "living")
    await client.flushall()
    assert await stream.append(5, attempt=1, token="zombie") == "LOST"
    await stream.begin(2, "living", epoch="new", last_seq=4)
    assert await stream.append(5, attempt=1, token="zombie") == "FENCED"
    with pytest.raises(Fenced):
        await stream.begin(1, "zombie")
    assert await stream.append(5, attempt=2, token="living") == "OK"


async def test_a_stop_before_the_log_waits_for_it(stream: Stream) -> None:
    await stream.log.request_stop(stream.id)
    await stream.begin()
    assert await stream.append(1, "o") == "OK"
    assert await stream.append(2, "d") == "STOPPED"


async def test_a_stop_holds_for_the_next_attempt_too(stream: Stream) -> None:
    await stream.begin(1, "a")
    await stream.log.request_stop(stream.id)
    await stream.begin(2, "b")
    assert await stream.append(1, "d", attempt=2, token="b") == "STOPPED"


async def test_stop_flags_of_many_streams_are_read_at_once(client: Redis) -> None:
    streams = [Stream(client) for _ in range(4)]
    for stream in streams[:3]:
        await stream.begin()
    for stream in streams[1:]:
        await stream.log.request_stop(stream.id)
    ids = [stream.id for stream in streams]
    assert await streams[0].log.stops(ids) == {streams[1].id, streams[2].id}


# Reading.


async def test_a_reader_gets_what_it_missed_and_nothing_else(stream: Stream) -> None:
    await stream.begin()
    for seq in range(1, 6):
        await stream.append(seq)
    read = await stream.log.read_after(stream.id, Position(1, 3))
    assert [entry.position for entry in read.entries] == [Position(1, 4), Position(1, 5)]
    assert (read.epoch, read.last, read.closed) == ("epoch-1-a", Position(1, 5), False)
    assert await stream.frames(Position(1, 5)) == []
    assert await stream.frames(Position(7, 0)) == []


async def test_a_long_log_is_read_in_pages_without_a_hole(stream: Stream, client: Redis) -> None:
    await stream.begin()
    pipe = client.pipeline(transaction=False)
    for seq in range(1, 2 * PAGE + 2):
        pipe.xadd(keys.stream_log(stream.id), {"k": "d", "f": str(seq)}, id=f"1-{seq}")
    await pipe.execute()
    assert await stream.frames() == [str(seq) for seq in range(1, 2 * PAGE + 2)]
    assert await stream.frames(Position(1, PAGE)) == [str(seq) for seq in range(PAGE + 1, 2 * PAGE + 2)]


async def test_no_log_reads_as_none(stream: Stream) -> None:
    read = await stream.log.read_after(stream.id, START)
    assert (read.epoch, read.last, read.closed, read.entries) == (None, None, False, [])
    assert await stream.head() is None


async def test_scripts_are_sent_again_when_the_server_forgot_them(stream: Stream, client: Redis) -> None:
    await stream.begin()
    await client.script_flush()
    assert (await stream.begin()).epoch == "epoch-1-a"
    await stream.log.request_stop(stream.id)
    assert await stream.append(1, "d") == "STOPPED"
