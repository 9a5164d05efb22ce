"""Silence kills nothing: redis-py 8 times out after 5 s by default, which ends sockets on the core channel layer."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from chat import changes, people
from streaming import database
from tests.integration.chat.factories import make_conversation, make_person
from tests.integration.chat.live_server import LiveServer, cookie_of

#: Longer than whatever ends silence somewhere: 5 s (redis-py, uvicorn's keep-alive), 10 s (a send, a group's linger).
IDLE_S = 60.0 if os.environ.get("CHATSITE_FULL") == "1" else 14.0


async def test_an_idle_socket_lives_without_heartbeats_and_still_hears_news(server: LiveServer, settings: Any) -> None:
    settings.STREAMING = {**settings.STREAMING, "heartbeat_idle_s": 3600.0, "heartbeat_live_s": 3600.0}
    server._server.config.ws_ping_interval = None

    def make() -> tuple[Any, Any, str]:
        ann = make_person()
        return ann, make_conversation(ann), cookie_of(ann)

    ann, conversation, cookie = await database.call(make)
    async with server.client(cookie) as client:
        await client.follow(str(conversation.pk))
        frames = len(client.frames)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(IDLE_S):
                await client.closed(IDLE_S * 2)
        assert client.close_code is None
        assert len(client.frames) == frames, "it was not idle"
        await changes.carry_out(await database.call(people.rename, ann, conversation.pk, "Still here"))
        await client.until(lambda: client.conversations[str(conversation.pk)]["title"] == "Still here", "the news")
