"""A wake-up is what Celery would have sent, whoever sends it; where it could not be, Celery sends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from celery import current_app, signals
from redis.asyncio import Redis

from streaming import lanes, wake_ups
from streaming.lane_limits import LaneLimits
from streaming.lane_values import Request, Ticket, Used
from tests.engine import Change, close_clients
from tests.producers import body_of, forget_producers

NAME = 'lane \u00e9 "y"'
TICKETS = [Ticket("00000000-0000-0000-0000-000000000001", 3, 'lane \u00e9 "x"'), Ticket("another", 0, "")]
#: What differs from message to message.
FREE = {"id", "root_id", "correlation_id", "delivery_tag", "reply_to"}


@pytest.fixture(autouse=True)
async def _clients(direct: Redis) -> AsyncIterator[None]:
    await forget_producers()  # an earlier test may have restarted Valkey under them
    wake_ups._is_there.cache_clear()
    yield
    wake_ups._is_there.cache_clear()
    await close_clients()
    await forget_producers()


async def sent(direct: Redis) -> list[dict[str, Any]]:
    """The messages that wait, oldest first; the body's time is taken out."""
    found = []
    for raw in reversed(await direct.lrange("generate", 0, -1)):
        message = json.loads(raw)
        body = body_of(message)
        assert body[0].pop() > 1_700_000_000_000
        del message["properties"]["body_encoding"]
        found.append(message | {"body": body})
    await direct.delete("generate")
    return found


def comparable(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: type(inner) if name in FREE else comparable(inner) for name, inner in value.items()}


@pytest.fixture
def by_celery(monkeypatch: pytest.MonkeyPatch) -> list[Ticket]:
    """The tickets for which Celery's own way was taken."""
    seen, original = [], wake_ups._send_by_celery

    def watched(ticket: Ticket, **options: Any) -> None:
        if not options:
            seen.append(ticket)
        original(ticket, **options)

    monkeypatch.setattr(wake_ups, "_send_by_celery", watched)
    return seen


async def test_it_is_what_celery_would_have_sent(direct: Redis, by_celery: list[Ticket]) -> None:
    await wake_ups.send(TICKETS)
    ours = await sent(direct)
    assert by_celery == []
    for ticket in TICKETS:
        wake_ups._send_by_celery(ticket)
    theirs = await sent(direct)
    assert [comparable(message) for message in ours] == [comparable(message) for message in theirs]
    assert [message["body"][0] for message in ours] == [
        [ticket.generation_id, ticket.admission, ticket.lane] for ticket in TICKETS
    ]
    ids = {message["headers"]["id"] for message in ours}
    assert len(ids) == 2
    assert [message["properties"]["correlation_id"] for message in ours] == [m["headers"]["id"] for m in ours]


async def test_a_lane_that_lets_a_ticket_start_tells_the_workers_itself(
    direct: Redis, by_celery: list[Ticket], change: Change
) -> None:
    change(models=({"alias": NAME, "kind": "demo", "lane": NAME},))
    store = lanes.store(NAME)
    await store.open("here", LaneLimits(concurrency=1), 0.0)
    await store.close("here")
    first = await store.enqueue(Request("first", "ann", 1, 1, 1))
    await store.enqueue(Request("second", "ann", 1, 1, 1))
    ticket = first.drained.admitted[0]
    assert (first.drained.is_told, first.drained.untold) == (True, [])
    (ours,) = await sent(direct)  # the second waits
    await store.start(ticket, "a worker")
    ended = await store.settle(ticket, Used(1, 1, 1), good=True)
    (next_one,) = await sent(direct)
    for each in (ticket, ended.drained.admitted[0]):
        wake_ups._send_by_celery(each)
    assert [comparable(message) for message in (ours, next_one)] == [comparable(one) for one in await sent(direct)]
    assert ours["headers"]["id"] != next_one["headers"]["id"]
    assert by_celery == [ticket, ended.drained.admitted[0]]


async def test_a_lane_leaves_it_to_celery_where_somebody_listens(direct: Redis, by_celery: list[Ticket]) -> None:
    def hear(**_: Any) -> None: ...

    store = lanes.store(NAME)
    await store.open("here", LaneLimits(), 0.0)
    await store.close("here")
    signals.after_task_publish.connect(hear)
    try:
        answer = await store.enqueue(Request("first", "ann", 1, 1, 1))
    finally:
        signals.after_task_publish.disconnect(hear)
    assert (answer.drained.is_told, answer.drained.untold) == (False, answer.drained.admitted)
    assert await sent(direct) == []


async def test_a_worker_of_celery_s_reads_it(direct: Redis) -> None:
    """What is not encoded kombu takes as it is."""
    await wake_ups.send(TICKETS[:1])
    with current_app.connection_for_read() as link:
        message = link.default_channel.basic_get("generate")
        arguments, words, _ = message.decode()
    assert (arguments[:3], words) == ([TICKETS[0].generation_id, 3, TICKETS[0].lane], {})


async def test_nothing_is_sent_for_nobody(direct: Redis, by_celery: list[Ticket]) -> None:
    await wake_ups.send([])
    assert (await sent(direct), by_celery) == ([], [])


async def test_another_broker_is_celery_s_affair(direct: Redis, by_celery: list[Ticket], change: Change) -> None:
    change(redis_url="redis://127.0.0.1:1/0")  # the lanes' Redis is elsewhere
    await wake_ups.send(TICKETS)
    assert by_celery == TICKETS
    assert len(await sent(direct)) == 2


async def test_lists_under_other_names_are_celery_s_affair(
    direct: Redis, by_celery: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**current_app.conf.broker_transport_options, "global_keyprefix": "x:"}
    monkeypatch.setitem(current_app.conf, "broker_transport_options", options)
    await wake_ups.send(TICKETS[:1])
    assert by_celery == TICKETS[:1]


async def test_whoever_listens_to_celery_s_sending_hears_of_each(direct: Redis, by_celery: list[Ticket]) -> None:
    heard = []

    def hear(body: Any, **_: Any) -> None:
        heard.append(body[0][0])

    signals.before_task_publish.connect(hear)
    try:
        await wake_ups.send(TICKETS)
    finally:
        signals.before_task_publish.disconnect(hear)
    assert heard == [ticket.generation_id for ticket in TICKETS]
    assert len(await sent(direct)) == 2
