"""Who watches what, as the web processes tell it."""

from __future__ import annotations

import pytest

from streaming import keys, redis_client, web_now
from streaming.web_now import Report, Viewers
from tests.integration.streaming.delivery import Author, Client, author

__all__ = ["author"]
pytestmark = pytest.mark.django_db(transaction=True)


async def test_viewers_and_those_behind_are_told(author: Author) -> None:
    reader, deaf = Client(), Client(acks=False)
    for client in (reader, deaf):
        await client.watch(author)
    await author.begin()
    for _ in range(20):
        await author.say("x" * 40_000)
        await reader.until_text(author.text)
    first, second = Report(lambda: 2), Report(lambda: 1)
    await first.tell()
    await second.tell()  # another process, with the same feeds in this test
    client = redis_client.get()
    webs = await web_now.webs_now(client)
    assert sorted(web.sockets for web in webs) == [1, 2]
    seen = await web_now.viewers_now(client, webs, [author.generation, "unknown"])
    assert list(seen) == [author.generation]
    found = seen[author.generation]
    assert (found.count, found.behind) == (4, 2)
    assert found.waiting_bytes > 200_000
    for who in (reader, deaf):
        await who.leave()


async def test_a_process_that_is_gone_is_forgotten(author: Author) -> None:
    report = Report(lambda: 3)
    await report.tell()
    client = redis_client.get()
    assert 0 < await client.pttl(keys.web_lease(report.id)) <= web_now.TTL_MS
    await client.delete(keys.web_lease(report.id))
    assert await web_now.webs_now(client) == []
    assert not await client.sismember(keys.WEBS_KNOWN, report.id)
    assert await web_now.viewers_now(client, [], [author.generation]) == {}


def test_viewers_of_two_processes_add_up_and_the_worst_counts() -> None:
    assert Viewers(2, 1, 500) + Viewers(3, 0, 100) == Viewers(5, 1, 500)
