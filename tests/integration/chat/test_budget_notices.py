"""Whoever comes to the end of a budget while they write is told over their socket."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from chat import budget_notices
from streaming import budgets, database, providers, services
from streaming.models import TokenSpend
from tests.integration.chat.factories import make_conversation, make_person
from tests.integration.chat.live_server import LiveServer, cookie_of

pytestmark = pytest.mark.django_db(transaction=True)


def told(client: Any) -> list[dict[str, Any]]:
    return [frame for frame in client.frames if frame["type"] == "budget.short"]


@pytest.mark.parametrize("used", [100_000, 900_000])
async def test_the_question_that_makes_a_budget_short_says_so_to_its_author(
    server: LiveServer, settings: Any, used: int
) -> None:
    settings.STREAMING = settings.STREAMING | {"user_tokens_per_day": 1_000_000}

    def make() -> tuple[Any, Any, Any]:
        ann, bob = make_person(), make_person()
        now = timezone.now()
        for period in (f"{now:%Y-%m-%d}", f"{now:%Y-%m}"):
            TokenSpend.objects.create(user=ann, period=period, used=used)
        return make_conversation(ann, members=[bob]), cookie_of(ann), cookie_of(bob)

    conversation, ann, bob = await database.call(make)
    async with server.client(ann) as mine, server.client(bob) as other:
        for client in (mine, other):
            await client.command("list.subscribe")
        await mine.command("message.send", conversation=str(conversation.pk), client_message_id="1", text="Hello")
        if used > 800_000:
            await mine.until(lambda: told(mine) != [], "budget.short")
            assert 90 <= told(mine)[0]["percent"] < 100
        else:
            await mine.command("message.send", conversation=str(conversation.pk), client_message_id="2", text="More")
            assert told(mine) == []
        assert told(other) == []


async def test_a_question_that_waits_behind_an_answer_counts_when_it_is_accepted(
    server: LiveServer, settings: Any
) -> None:
    """Nothing is held for it before its turn: told only then, it would be too late to choose."""
    settings.STREAMING = settings.STREAMING | {"user_tokens_per_day": 1_000_000}

    def make() -> tuple[Any, Any, str]:
        ann = make_person()
        one = budgets.most_of(providers.find(services.default_model()), 100).tokens
        for period in (f"{timezone.now():%Y-%m-%d}", f"{timezone.now():%Y-%m}"):
            TokenSpend.objects.create(user=ann, period=period, used=800_000 - one * 3 // 2)
        return ann, make_conversation(ann), cookie_of(ann)

    user, conversation, ann = await database.call(make)
    async with server.client(ann) as mine:
        await mine.command("list.subscribe")
        key = str(conversation.pk)
        first = await mine.command("message.send", conversation=key, client_message_id="1", text="Hello")
        assert first["generation"] is not None
        assert await database.call(budget_notices.short_shares, user.pk) == []
        second = await mine.command("message.send", conversation=key, client_message_id="2", text="More")
        assert second["generation"] is None
        await mine.until(lambda: told(mine) != [], "budget.short")
        assert told(mine)[0]["percent"] == 80
        (short,) = await database.call(budget_notices.short_shares, user.pk)
        assert short.percent == 80, "pages say the same"
