"""The way of a lane's boards to those who wait: real layer, hub, rows and sockets; the boards are drawn by the test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.utils import timezone

from streaming import fanout, hub, wait_feed
from streaming.lane_snapshot import Place
from streaming.states import Status
from streaming.wait_board import Board, Point
from tests import engine
from tests.engine import until
from tests.integration.streaming.delivery import Author, Client, author

__all__ = ["author"]
pytestmark = pytest.mark.django_db(transaction=True)

PLACE = Place(1000, 3)


def a_board(p50_s: float, *, ahead: int = 2, lane: str = "demo", grid: bool = True, **more: Any) -> Board:
    """Drawn well after everybody in it had asked."""
    values: dict[str, Any] = {
        "now_ms": round(time.time() * 1000) + 5000, "closed": "", "closed_s": 0.0, "blocked": "", "parked": {},
    } | more  # fmt: skip
    points = (Point(PLACE, ahead, p50_s, p50_s * 1.5),) if grid else ()
    return Board(lane=lane, depth=ahead + 1, newcomer=(ahead + 1, p50_s + 5, p50_s * 2), grid=points, **values)


async def publish(board: Board) -> None:
    group = fanout.boards_group()
    assert await fanout.send(group, {"type": "lane.board", "g": group, "f": board.encode()})


async def known(board: Board) -> None:
    """Published, and this process has it."""
    await publish(board)
    await until(lambda: wait_feed.get()._boards.get(board.lane) == Board.decode(board.encode()))


@pytest.fixture
async def waits(author: Author, settings: Any) -> AsyncIterator[wait_feed.WaitFeed]:
    feed = wait_feed.get()
    await feed._membership.proven()
    yield feed
    for timer in [*feed._expiries.values(), *feed._leaving.values()]:
        timer.cancel()


async def waiting_row(author: Author, place: Place | None = PLACE, **values: Any) -> None:
    tag, seq = place or (None, None)
    await author.set_row(**{"lane": "demo", "lane_tag": tag, "lane_seq": seq, **values})


async def watching(author: Author) -> Client:
    client = Client()
    await client.watch(author)
    return client


async def test_who_waits_is_told_what_its_lanes_board_says(author: Author, waits: wait_feed.WaitFeed) -> None:
    await waiting_row(author)
    client = await watching(author)
    await publish(a_board(40))
    await client.until(lambda shown: bool(shown.queued) and "ahead" in shown.queued[-1])
    last = client.shown.queued[-1]
    assert (last["ahead"], last["p50_s"], last["p90_s"], last["why"]) == (2, 40.0, 60.0, "open")
    await client.leave()


async def test_everybody_who_comes_later_is_told_at_once_and_the_same(
    author: Author, waits: wait_feed.WaitFeed
) -> None:
    await waiting_row(author)
    await known(a_board(40))
    first = await watching(author)
    await first.until(lambda shown: shown.queued != [])
    second = await watching(author)
    await second.until(lambda shown: shown.queued != [])
    assert [frame["reason"] for frame in second.shown.queued] == ["waiting"]
    assert 30 < second.shown.queued[0]["p50_s"] <= first.shown.queued[0]["p50_s"] == 40
    await first.leave()
    await second.leave()


async def test_a_reload_finds_the_promise_that_was_given(author: Author, waits: wait_feed.WaitFeed) -> None:
    await waiting_row(author)
    await known(a_board(40))
    await (await watching(author)).leave()
    await known(a_board(44, now_ms=round(time.time() * 1000) + 6000))  # not worth telling, and so not told
    client = await watching(author)
    await client.until(lambda shown: shown.queued != [])
    assert client.shown.queued[0]["p50_s"] <= 40
    await client.leave()


async def test_a_place_that_is_written_later_is_found(author: Author, waits: wait_feed.WaitFeed) -> None:
    await waiting_row(author, place=None)
    client = await watching(author)
    await known(a_board(40))
    await asyncio.gather(*waits._tasks.values())
    assert all(frame["reason"] == "starting" for frame in client.shown.queued)
    await waiting_row(author)
    await publish(a_board(30, now_ms=round(time.time() * 1000) + 6000))
    await client.until(lambda shown: bool(shown.queued) and shown.queued[-1].get("p50_s") == 30)
    await client.leave()


async def test_the_rows_are_asked_once_and_not_per_board(
    author: Author, waits: wait_feed.WaitFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    original = wait_feed.load_waits

    def noted(ids: Any) -> Any:
        asked.append(len(ids))
        return original(ids)

    monkeypatch.setattr(wait_feed, "load_waits", noted)
    await waiting_row(author, place=None)
    client = await watching(author)
    await waiting_row(author)
    now_ms = round(time.time() * 1000) + 5000
    for tick in range(5):
        await known(a_board(40 - tick, now_ms=now_ms + tick * 1000))
        await asyncio.gather(*waits._tasks.values())
    assert asked == [1]
    await client.leave()


async def test_once_it_runs_boards_say_nothing_more(author: Author, waits: wait_feed.WaitFeed) -> None:
    await waiting_row(author)
    await known(a_board(40))
    client = await watching(author)
    await client.until(lambda shown: shown.queued != [])
    await author.begin()
    await author.say("Hello")
    await client.until_text("Hello")
    assert waits._tellers == {}
    told = len(client.shown.queued)
    await known(a_board(90, ahead=9, now_ms=round(time.time() * 1000) + 9000))
    await author.say(" you")
    await client.until_text("Hello you")
    assert len(client.shown.queued) == told
    await client.leave()


async def test_a_stop_while_it_waits_ends_it_here_too(author: Author, waits: wait_feed.WaitFeed) -> None:
    await waiting_row(author)
    await known(a_board(40))
    client = await watching(author)
    await author.set_row(status=Status.STOPPED, position_attempt=0, position_seq=1, finished_at=timezone.now(),
                         sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")  # fmt: skip
    client.subscriptions._open[author.generation][0].read_soon()
    await client.until_end()
    assert waits._tellers == waits._audiences == waits._leaving == {}
    await client.leave()


async def test_back_in_the_line_it_is_told_again(author: Author, waits: wait_feed.WaitFeed) -> None:
    await waiting_row(author)
    client = await watching(author)
    await author.begin()
    await until(lambda: waits._tellers == {})
    await waiting_row(author, status=Status.QUEUED)
    await fanout.broadcast(
        fanout.stream_group(author.generation),
        f'{{"type":"stream.queued","generation":"{author.generation}","reason":"retrying","message":"Slower."}}',
    )
    await until(lambda: author.generation in waits._tellers)
    await publish(a_board(20, closed="paused", closed_s=15))
    await client.until(lambda shown: bool(shown.queued) and shown.queued[-1].get("why") == "paused")
    assert client.shown.queued[-1]["resume_s"] == 15
    await client.leave()


async def test_boards_that_stop_coming_take_the_numbers_back(
    author: Author, waits: wait_feed.WaitFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_feed, "BOARD_VALID_S", 1.0)
    await waiting_row(author)
    client = await watching(author)
    await publish(a_board(40))
    await client.until(lambda shown: any(frame.get("p50_s") == 40 for frame in shown.queued))
    await client.until(lambda shown: "p50_s" not in shown.queued[-1])
    assert waits.present_waits() == {}
    await client.leave()


async def test_a_late_board_does_not_undo_a_newer_one(author: Author, waits: wait_feed.WaitFeed) -> None:
    newer, older = a_board(10), a_board(90, now_ms=1)
    await known(newer)
    await publish(older)
    await known(a_board(1, lane="other"))  # came after it
    assert waits._boards["demo"].newcomer == newer.newcomer


async def test_those_who_left_are_forgotten_after_a_while(
    author: Author, waits: wait_feed.WaitFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_feed, "LINGER_S", 0.1)
    await waiting_row(author)
    await (await watching(author)).leave()
    await until(lambda: waits._tellers == waits._audiences == waits._leaving == {})


async def test_the_present_waits_are_those_of_newcomers_by_lane_and_by_model(
    author: Author, waits: wait_feed.WaitFeed, settings: Any
) -> None:
    demo = {"label": "x", "provider": "demo", "model": "x"}
    settings.STREAMING = engine.SETTINGS | {
        "models": ({"alias": "a", "lane": "demo", **demo}, {"alias": "b", "lane": "demo", **demo},
                   {"alias": "c", "lane": "silent", **demo})}  # fmt: skip
    changes: list[int] = []
    waits.watch(lambda: changes.append(1))
    await known(a_board(40, grid=False))
    assert waits.present_waits()["demo"].p50_s == 45
    assert {alias: wait.p50_s for alias, wait in waits.model_waits().items()} == {"a": 45, "b": 45}
    assert changes == [1]


async def test_a_process_joins_the_boards_group_once(author: Author, waits: wait_feed.WaitFeed) -> None:
    await waiting_row(author)
    clients = [await watching(author) for _ in range(3)]
    assert wait_feed.get() is waits
    assert len(hub.get()._groups[fanout.boards_group()].members) == 1
    for client in clients:
        await client.leave()
