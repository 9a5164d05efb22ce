"""A reader who pulls: bounded, never behind for good, gone when it closes or takes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from streaming import feed_watch
from streaming import heartbeat as ticker
from streaming.errors import Refused
from streaming.events import Delta, Ended, Snapshot, decode
from streaming.stream_reader import STALL_S, StreamReader, open_reader
from tests.engine import Change, until
from tests.integration.streaming.delivery import Author, author

__all__ = ["author"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def reader(author: Author) -> AsyncIterator[StreamReader]:
    await author.begin()
    opened = await open_reader(author.generation)
    yield opened
    opened.close()


async def rest(reader: StreamReader) -> tuple[str, bool]:
    """The text of what comes until the end, and whether its end came."""
    text, ended = "", False
    async with asyncio.timeout(60):
        while not reader.exhausted:
            for event in map(decode, await reader.frames(1.0)):
                assert not isinstance(event, Snapshot)
                text += event.text if isinstance(event, Delta) else ""
                ended = ended or isinstance(event, Ended)
    return text, ended


async def test_it_takes_what_came_until_the_end(author: Author, reader: StreamReader) -> None:
    for word in ("One ", "two."):
        await author.say(word)
    await author.end()
    assert await rest(reader) == ("One two.", True)
    assert not feed_watch.get()._feeds


async def test_silence_is_an_empty_list_and_no_end(reader: StreamReader) -> None:
    while await reader.frames(0.0):
        pass
    assert await reader.frames(0.01) == []
    assert not reader.exhausted


async def test_a_slow_reader_keeps_little_and_misses_nothing(author: Author, change: Change) -> None:
    """What it has no room for is kept nowhere for it; the log serves it once it takes something."""
    change(outbox_max_bytes=2_000, snapshot_part_bytes=500)
    await author.begin()
    reader = await open_reader(author.generation)
    most = 0
    for number in range(100):
        await author.say(f"{number:04} " * 20)
        most = max(most, reader.waiting_bytes)
    assert most <= 2_000
    await author.end()
    assert await rest(reader) == (author.text, True)
    reader.close()


async def test_who_closes_leaves_nothing_behind(author: Author, reader: StreamReader) -> None:
    await author.say("One ")
    reader.close()
    reader.close()
    assert reader.exhausted
    assert not feed_watch.get()._feeds
    assert not ticker.get()._ticked


async def test_whoever_takes_nothing_is_let_go(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    await author.begin()
    reader = await open_reader(author.generation, on_close=lambda: closed.append(True))
    blocked = asyncio.Event()

    async def pull() -> None:
        await reader.frames(5.0)
        blocked.set()
        await asyncio.Event().wait()  # its client takes nothing

    task = asyncio.create_task(pull())
    await blocked.wait()
    await author.say("One ")
    await until(lambda: reader.waiting_bytes)
    reader.tick(ticker.get().now + STALL_S - 1)
    assert not task.cancelled()
    assert not closed
    reader.tick(ticker.get().now + STALL_S + 1)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed
    assert not feed_watch.get()._feeds


async def test_a_stream_that_does_not_exist_is_refused(author: Author) -> None:
    closed: list[bool] = []
    with pytest.raises(Refused):
        await open_reader("0b6f3a52-8f0e-4d2c-9a55-2f6d0a6b7c11", on_close=lambda: closed.append(True))
    assert closed
    assert not feed_watch.get()._feeds


async def test_it_goes_on_where_it_was(author: Author, reader: StreamReader) -> None:
    await author.say("One ")
    last: Any = None
    while last is None or not isinstance(last, Delta):
        last = decode((await reader.frames(5.0))[-1])
    reader.close()
    await author.say("two.")
    await author.end()
    again = await open_reader(author.generation, last.position, author.epoch)
    assert again.opened.recovered
    assert await rest(again) == ("two.", True)
    again.close()
