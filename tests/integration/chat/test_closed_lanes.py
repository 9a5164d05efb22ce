"""A question that would not be served is refused before anything is written: sent, or tried again."""

from __future__ import annotations

import pytest

from chat.models import Message
from streaming import database
from streaming import services as streaming
from streaming.errors import Refused
from tests.acceptance.chat_client import CommandFailed
from tests.integration.chat.factories import make_conversation, make_person
from tests.integration.chat.live_server import LiveServer, cookie_of


async def test_a_closed_lane_refuses_a_question_and_another_try_and_writes_nothing(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await database.call(make_person, first_name="Ann")
    key = str((await database.call(make_conversation, ann)).pk)

    async def refuse(user_id: int, model: str) -> None:
        raise Refused("The account is out of credit.", code="lane_blocked", retryable=True)

    async with server.client(await database.call(cookie_of, ann)) as tab:
        generation = await tab.ask(key, "Hello")
        await tab.command("generation.stop", generation=generation)
        monkeypatch.setattr(streaming, "check_wait", refuse)
        before = await database.call(Message.objects.count)
        with pytest.raises(CommandFailed, match="lane_blocked"):
            await tab.command("generation.retry", generation=generation)
        with pytest.raises(CommandFailed, match="lane_blocked"):
            await tab.ask(key, "Hello again")
        assert await database.call(Message.objects.count) == before
