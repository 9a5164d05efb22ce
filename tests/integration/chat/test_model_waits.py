"""The present waits of the models, from a lane's board to the open sockets of a real server."""

from __future__ import annotations

import time
from typing import Any

import pytest

from chat import events, model_waits
from streaming import database, fanout, lanes, providers
from streaming.wait_board import Board
from tests.engine import until
from tests.integration.chat.factories import make_person
from tests.integration.chat.live_server import LiveServer, RecordingClient, cookie_of

FROM_MS = round(time.time() * 1000)


async def publish(p50_s: float, number: int) -> None:
    """A board for each lane, newer than those of a smaller number."""
    group, now_ms = fanout.boards_group(), FROM_MS + number * 1000
    for entry in providers.catalogue():
        board = Board(lanes.of(entry), now_ms, 1, "", 0.0, "", (1, p50_s, p50_s * 2), (), {})
        assert await fanout.send(group, {"type": "lane.board", "g": group, "f": board.encode()})


def told(client: RecordingClient) -> list[float]:
    frames = [frame for frame in client.received if frame["type"] == "models.waits"]
    return [frame["waits"]["demo"]["p50_s"] for frame in frames]


async def wait_until_listening(server: LiveServer) -> None:
    async def proven() -> None:
        await model_waits.get()._feed._membership.proven()

    await server.within(proven)


async def test_open_sockets_are_told_and_new_ones_after_their_hello(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[Any] = []
    monkeypatch.setattr(model_waits, "encode", lambda frame: encoded.append(frame) or events.encode(frame))
    cookie = await database.call(lambda: cookie_of(make_person()))
    async with server.client(cookie) as first, server.client(cookie) as second:
        await wait_until_listening(server)
        await publish(40, 1)
        for client in (first, second):
            await client.until(lambda client=client: told(client) == [40.0], "the wait")  # type: ignore[misc]
        async with server.client(cookie) as third:
            await third.until(lambda: told(third) == [40.0], "the wait")
            assert [frame["type"] for frame in third.received[:2]] == ["hello", "models.waits"]
        assert len(encoded) == 1


async def test_changes_that_matter_are_told_and_not_too_often(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_waits, "PERIOD_S", 600.0)
    cookie = await database.call(lambda: cookie_of(make_person()))
    async with server.client(cookie) as client:
        await wait_until_listening(server)
        await publish(40, 11)
        await client.until(lambda: told(client) == [40.0], "the wait")
        for number, p50_s in enumerate((60, 80, 100), 12):
            await publish(p50_s, number)
        await server.within(known, 100.0)
        assert told(client) == [40.0]
        monkeypatch.setattr(model_waits, "PERIOD_S", 0.0)
        await server.within(the_period_ends)
        await client.until(lambda: told(client)[1:] == [100.0], "the last of the changes, and none in between")
        await publish(102, 20)
        await publish(160, 21)
        await client.until(lambda: told(client)[-1] == 160.0, "the next change")
        assert told(client) == [40.0, 100.0, 160.0]


async def known(p50_s: float) -> None:
    """On the server's loop: all boards have come, and what they say waits for the end of the period."""
    feed = model_waits.get()
    await until(lambda: [wait.p50_s for wait in feed._feed.model_waits().values()][:1] == [p50_s])
    assert feed._later is not None


async def the_period_ends() -> None:
    feed = model_waits.get()
    assert feed._later is not None
    feed._later.cancel()
    feed._look_again()
