"""What administrators order: rows first, then whoever runs or waits hears of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from redis.asyncio import Redis

from streaming import dispatcher, lane_rows, redis_client, site_now, steering, wake_ups
from streaming.lane_limits import LaneLimits
from streaming.lane_snapshot import Levels
from streaming.lane_store import LaneStore
from streaming.lane_values import Request, Ticket
from streaming.models import Generation, Lane
from streaming.replay_log import ReplayLog
from streaming.states import Status
from tests.engine import SETTINGS
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)
LANE = "kitchen"
MODEL = {"alias": "tea", "label": "Tea", "provider": "demo", "model": "tea", "lane": LANE}


@pytest.fixture(autouse=True)
def site(settings: Any, valkey: Valkey) -> None:
    settings.STREAMING = SETTINGS | {"redis_url": valkey.url, "models": (MODEL,)}
    lane_rows.settings_of([LANE])


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ids: list[str] = []

    async def start(tickets: Iterable[Ticket]) -> None:
        ids.extend(ticket.generation_id for ticket in tickets)

    monkeypatch.setattr(dispatcher, "start", start)
    monkeypatch.setattr(wake_ups, "letter", lambda lane: None)
    return ids


def an_answer(person: str, status: Status, **more: Any) -> str:
    user, _ = get_user_model().objects.get_or_create(username=person)
    later = timezone.now() + timedelta(minutes=5)
    fields = {"model": "tea", "lane": LANE, "worker": "w" if status != Status.QUEUED else "", "attempt": 1}
    return str(
        Generation.objects.create(user=user, status=status, wake_at=later, deadline_at=later, **fields | more).pk
    )


def build_lane(*waiting: str) -> None:
    async def build(client: Redis) -> None:
        store = LaneStore(client, LANE)
        await store.open("epoch", LaneLimits(concurrency=0), 0.0)
        await store.close("epoch")
        for ticket in waiting:
            await store.enqueue(Request(ticket, "1", 10, 10, 60))

    redis_client.ask(build)


def levels() -> Levels:
    return redis_client.ask(lambda client: LaneStore(client, LANE).levels())


def flagged(*ids: str) -> set[str]:
    async def ask(client: Redis) -> set[str]:
        return {one for one in ids if await client.exists(f"s:{{{one}}}:stop")} | await ReplayLog(client).stops(ids)

    return redis_client.ask(ask)


def status(generation_id: str) -> str:
    return str(Generation.objects.get(pk=generation_id).status)


def test_all_answers_of_a_person_are_stopped_and_no_others(started: list[str]) -> None:
    runs, waits = an_answer("ann", Status.STREAMING), an_answer("ann", Status.QUEUED)
    over, others = an_answer("ann", Status.COMPLETED), an_answer("bob", Status.STREAMING)
    build_lane(waits)
    ann = get_user_model().objects.get(username="ann")
    assert steering.stop(site_now.live_answers(user_id=ann.pk)) == (2, 2)
    assert status(waits) == Status.STOPPED, "nobody has to be asked"
    assert levels().waiting == 0
    assert flagged(runs, others) == {runs}
    assert Generation.objects.get(pk=runs).stop_requested_at is not None
    assert Generation.objects.get(pk=others).stop_requested_at is None
    assert (status(over), Generation.objects.get(pk=over).stop_requested_at) == (Status.COMPLETED, None)


def test_without_redis_the_rows_are_told_all_the_same(settings: Any, started: list[str]) -> None:
    runs, waits = an_answer("ann", Status.STREAMING), an_answer("ann", Status.QUEUED)
    settings.STREAMING = settings.STREAMING | {"redis_url": "unix:///nowhere/valkey.sock"}
    steering.stop(site_now.live_answers(lane=LANE))
    assert Generation.objects.get(pk=runs).stop_requested_at is not None
    assert status(waits) == Status.STOPPED


def test_whoever_cannot_be_told_in_time_is_told_by_the_row(started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [an_answer("ann", Status.STREAMING) for _ in range(3)]
    monkeypatch.setattr(steering, "STOP_TIMEOUT_S", 0.0)
    assert steering.stop(site_now.live_answers(lane=LANE)) == (3, 0)
    assert Generation.objects.filter(pk__in=ids, stop_requested_at__isnull=False).count() == 3


def test_a_lane_is_held_and_released(started: list[str]) -> None:
    build_lane("first")
    steering.hold(LANE, "pause", "They called.", timezone.now() + timedelta(minutes=10))
    assert steering.apply_order(LANE)
    assert levels().held == "pause"
    assert 590 < levels().closed_s <= 600
    (lane,) = site_now.lanes_now()
    assert (lane.row.held_reason, lane.title) == ("They called.", "Tea")
    assert lane.levels is not None
    assert (lane.levels.waiting, lane.levels.running) == (1, 0)
    steering.release(LANE)
    assert steering.apply_order(LANE)
    assert levels().held == ""
    assert Lane.objects.get().held_reason == ""


def test_an_order_waits_in_the_row_while_redis_is_away(settings: Any) -> None:
    settings.STREAMING = settings.STREAMING | {"redis_url": "unix:///nowhere/valkey.sock"}
    steering.hold(LANE, "drain", "Old.")
    assert not steering.apply_order(LANE)
    order = Lane.objects.get().hold()
    assert order is not None
    assert (order.kind, order.until_ms) == ("drain", 0)
    with pytest.raises(steering.NotReached):
        steering.order_worker("w", "rest")
    assert site_now.workers() is None


def test_an_answer_is_read_with_what_the_log_has_beyond_the_row() -> None:
    from tests.integration.streaming.delivery import Author

    async def write(_: Redis) -> str:
        author = await Author.create()
        await author.begin()
        await author.say("One ")
        await author.checkpoint()
        await author.say("two.")
        return author.generation

    generation = redis_client.ask(write, 20.0)
    text = site_now.text_of(generation)
    assert text is not None
    assert (text.text, text.is_live, text.is_complete) == ("One two.", True, True)
    assert site_now.text_of("00000000-0000-4000-8000-000000000000") is None


def test_live_answers_come_in_pages_with_the_oldest_first() -> None:
    ids = [an_answer("ann", Status.QUEUED) for _ in range(3)]
    for number, generation_id in enumerate(ids):
        asked = timezone.now() - timedelta(seconds=number)
        Generation.objects.filter(pk=generation_id).update(requested_at=asked)
    shown = site_now.streams(site_now.live_answers())
    assert [row.id for row in shown.rows] == ids[::-1]
    assert shown.count == 3
    assert site_now.streams(site_now.live_answers(), page=1).rows == []
    assert site_now.streams(site_now.live_answers(worker="w")).rows == []
