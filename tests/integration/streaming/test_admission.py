"""A new question is refused if it would not be served in time, and only then; nobody is asked while nobody waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from redis.asyncio import Redis

from streaming import admission, database, estimates, lane_tickets, lanes, services, wait_feed
from streaming.errors import Refused
from streaming.lane_snapshot import Place
from streaming.lane_values import Preview
from streaming.wait_board import Board, Point
from tests.engine import LANE, Change, Engine
from tests.integration.streaming.lane_sight import forget_lane, in_line, limit
from tests.valkey import Valkey

MODELS = (
    {"alias": "scripted", "label": "Scripted", "provider": "demo", "model": "scripted", "lane": LANE},
    {"alias": "small", "label": "Small", "provider": "demo", "model": "small", "lane": "small"},
    {"alias": "slow", "label": "Slow", "provider": "demo", "model": "slow", "lane": "slow"},
    {"alias": "twin", "label": "Twin", "provider": "demo", "model": "twin", "lane": LANE},
)


class Feed:
    """The boards as this web process would have got them."""

    def __init__(self) -> None:
        self.boards: dict[str, Board] = {}

    def board(self, lane: str) -> Board | None:
        return self.boards.get(lane)

    def show(self, lane: str, p50_s: float, depth: int = 0, **fields: Any) -> None:
        values: dict[str, Any] = {"closed": "", "closed_s": 0.0, "blocked": "", "parked": {}, "now_ms": 1}
        grid = tuple(Point(Place(n, n), n, p50_s, 2 * p50_s) for n in range(depth))
        newcomer = (depth, p50_s, 2 * p50_s)
        self.boards[lane] = Board(lane=lane, depth=depth, newcomer=newcomer, grid=grid, **values | fields)

    def model_waits(self) -> dict[str, Any]:
        aliases = {model["alias"]: model["lane"] for model in MODELS}
        return {alias: self.boards[lane].present() for alias, lane in aliases.items() if lane in self.boards}


@pytest.fixture
async def feed(engine: Engine, change: Change, monkeypatch: pytest.MonkeyPatch) -> Feed:
    change(models=MODELS)
    there = Feed()
    monkeypatch.setattr(wait_feed, "get", lambda: there)
    monkeypatch.setattr(estimates, "_known", estimates._Known())
    return there


async def refusal(model: str = "scripted") -> Refused | None:
    try:
        await services.check_wait(7, model)
    except Refused as refused:
        return refused
    return None


async def test_where_nobody_waits_nobody_is_asked(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(self: Any, user: str) -> Preview:
        raise AssertionError("a round trip for nothing")

    monkeypatch.setattr(lanes.LaneStore, "preview", ask)
    feed.show(LANE, 0.0)
    assert await refusal() is None


async def test_a_short_wait_is_accepted(feed: Feed) -> None:
    feed.show(LANE, 170.0, depth=9)
    assert await refusal() is None


async def test_a_long_wait_is_refused_with_the_waits_of_the_others(feed: Feed) -> None:
    feed.show(LANE, 200.0, depth=9)
    feed.show("small", 0.4)
    feed.show("slow", 500.0, depth=2)
    refused = await refusal()
    assert refused is not None
    assert (refused.code, refused.retryable, refused.retry_after_s) == ("wait_too_long", True, 20.0)
    expected = "Scripted would begin to answer in about 3 min: too long to wait. Others now: Small (< 5 s)."
    assert refused.message == expected


async def test_a_place_ahead_of_the_crowd_is_not_refused_for_the_crowds_wait(feed: Feed) -> None:
    """Who has used nothing of late stands before those who have: the newcomer's own place counts."""
    early, late = Point(Place(0, 1), 0, 5.0, 9.0), Point(Place(10**9, 2), 1, 400.0, 500.0)
    feed.show(LANE, 400.0, depth=2)
    shown = feed.boards[LANE]
    feed.boards[LANE] = Board(LANE, 1, 2, "", 0.0, "", shown.newcomer, (early, late), {})
    assert await refusal() is None


async def test_a_closed_account_refuses_at_once(feed: Feed) -> None:
    feed.show(LANE, 0.0, closed="blocked", blocked="The account is out of credit.")
    refused = await refusal()
    assert refused is not None
    assert (refused.code, refused.message) == ("lane_blocked", "The account is out of credit.")


async def test_a_wait_that_nobody_can_tell_is_accepted(feed: Feed) -> None:
    feed.show(LANE, float("inf"), depth=3, closed="paused", closed_s=20.0)
    assert await refusal() is None


@pytest.mark.parametrize(("waiting", "code"), [(1, None), (2, "queue_full")])
async def test_ones_own_line_has_an_end(engine: Engine, feed: Feed, waiting: int, code: str | None) -> None:
    await set_limits(user_queue=2, concurrency=0)
    await in_line(engine, waiting)
    user = await owner()
    try:
        await services.check_wait(user, "scripted")
        found = None
    except Refused as refused:
        found = refused.code
    assert found == code


async def test_a_burst_that_the_newest_board_has_not_seen_fills_a_short_line(engine: Engine, feed: Feed) -> None:
    await set_limits(user_queue=2, concurrency=0)
    feed.show(LANE, 0.0)
    await in_line(engine, 2)
    with pytest.raises(Refused) as refused:
        await services.check_wait(await owner(), "scripted")
    assert refused.value.code == "queue_full"


async def test_a_line_that_an_administrator_made_longer_is_longer_at_once(engine: Engine, feed: Feed) -> None:
    """This process learns the lanes' rows once a minute."""
    await set_limits(user_queue=2, queue_max=2, concurrency=0)
    await in_line(engine, 2)
    await limit(user_queue=3, queue_max=3, concurrency=0)
    await services.check_wait(await owner(), "scripted")
    await limit(user_queue=1, queue_max=None, concurrency=0)
    with pytest.raises(Refused) as refused:
        await services.check_wait(await owner(), "scripted")
    assert refused.value.code == "queue_full"


async def test_ones_own_full_line_says_when_there_is_room_and_names_the_others(engine: Engine, feed: Feed) -> None:
    """When the first of one's own starts, which need not be the first of all."""
    await set_limits(user_queue=2, concurrency=0)
    asked = await in_line(engine, 2)
    user = await owner()
    own = await database.call(lane_tickets.first_place, user, LANE)
    assert own is not None
    line = (
        Point(Place(own.tag - 1, 0), 0, 5.0, 9.0),
        Point(own, 1, 30.0, 40.0),
        Point(Place(own.tag + 9, 9), 2, 90.0, 99.0),
    )
    feed.boards[LANE] = Board(LANE, 1, 3, "", 0.0, "", (3, 60.0, 90.0), line, {})
    feed.show("small", 20.0)
    with pytest.raises(Refused) as refused:
        await services.check_wait(user, "scripted")
    assert (refused.value.code, refused.value.retry_after_s) == ("queue_full", 30.0)
    assert refused.value.message.endswith("Others now: Small (20 s).")
    assert len(asked) == 2


async def test_everybodys_line_has_an_end(engine: Engine, feed: Feed) -> None:
    await set_limits(queue_max=3, concurrency=0)
    feed.show("small", 20.0)
    await in_line(engine, 3)
    refused = await refusal()
    assert refused is not None
    assert (refused.code, refused.message) == (
        "lane_full",
        "Too many questions wait for Scripted. Others now: Small (20 s).",
    )


async def test_a_full_line_says_when_there_may_be_room(engine: Engine, feed: Feed) -> None:
    """When the first of it starts."""
    await set_limits(queue_max=3, concurrency=0)
    await in_line(engine, 3)
    line = (Point(Place(0, 1), 0, 12.0, 20.0), Point(Place(0, 3), 2, 60.0, 90.0))
    feed.boards[LANE] = Board(LANE, 1, 3, "", 0.0, "", (3, 60.0, 90.0), line, {})
    refused = await refusal()
    assert refused is not None
    assert (refused.code, refused.retry_after_s) == ("lane_full", 12.0)


@pytest.mark.parametrize("board", [True, False])
async def test_what_nobody_can_tell_refuses_nobody(
    engine: Engine, feed: Feed, direct: Redis, valkey: Valkey, board: bool
) -> None:
    if board:
        feed.show(LANE, 1.0, depth=2)
    await forget_lane(direct)
    assert await refusal() is None
    valkey.kill()
    try:
        assert await refusal() is None
    finally:
        valkey.start()


async def test_an_unknown_model_is_refused_as_ever(feed: Feed) -> None:
    refused = await refusal("nobody")
    assert refused is not None
    assert refused.code == "unknown_model"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "< 5 s"),
        (4.9, "< 5 s"),
        (12, "10 s"),
        (89, "90 s"),
        (100, "2 min"),
        (600, "10 min"),
        (7199, "120 min"),
        (86_400, "24 h"),
    ],
)
def test_waits_in_words(seconds: float, words: str) -> None:
    assert admission.in_words(seconds) == words


async def set_limits(**limits: Any) -> None:
    """In the lane, and as this process knows them."""
    await limit(**limits)
    known = replace(lanes.configured(LANE), **limits)
    estimates._known = estimates._Known(at=float("inf"), limits={LANE: known})


async def owner() -> int:
    found: int = await database.call(get_user_model().objects.values_list("pk", flat=True).get, username="ann")
    return found
