"""What each viewer gets out of one read of row and log."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from streaming.connection import Connection
from streaming.events import START, Completed, Position, Queued, encode
from streaming.feed_reading import Reading, Row
from streaming.timeline import Event, LogPart
from streaming.viewer import Plan, SubscriptionOpened, Viewer
from tests.unit.streaming.test_catch_up import GENERATION, delta, logged, started

EVENTS = (started(1), delta(1, 2, "a"), delta(1, 3, "b"), delta(1, 4, "c"))
AT_END = Position(1, 4)
LIVE = Row("streaming", "demo", Position(1, 3), "ab", None)
STARTING = Queued(generation=GENERATION, reason="starting")
QUEUED = Row("queued", "demo", START, "", None, 0, STARTING)
GOES_ON = Queued(generation=GENERATION, reason="continuing", message="Another one goes on.")
WAITING = Row("queued", "demo", Position(1, 3), "ab", None, 1, GOES_ON)
END = Completed(generation=GENERATION, position=Position(1, 5), bytes=3, sha256="")
ENDED = Row("completed", "demo", END.position, "abc", END)
CLOSING = logged("x", END)
EARLY = LIVE._replace(position=START, text="")

SO_FAR = [("snapshot", "1-3", "ab"), ("delta", "1-4", "c")]
WHOLE = [("snapshot", "1-4", "abc"), ("completed", "1-5", None)]


def log_of(*events: Event, closed: bool = False) -> LogPart:
    return LogPart("e1", events[-1].position, closed, events)


LOG = log_of(*EVENTS)
CLOSED = log_of(*EVENTS, CLOSING, closed=True)
NO_LOG = LogPart(None, START, False, ())


async def viewer(after: Position | None = None, epoch: str | None = "e1", *, is_open: bool = False) -> Viewer:
    made = Viewer(cast(Connection, None), after, epoch, lambda opened: None, lambda: None)
    made.needs_text = made.epoch is None
    if is_open:
        made.open("e1", True, "streaming")
    return made


def frames(plan: Plan | None) -> list[tuple[Any, ...]]:
    assert plan is not None
    found = []
    for piece in plan.pieces:
        frame = json.loads(piece.frame)
        found.append((frame["type"].removeprefix("stream."), frame.get("position"), frame.get("text")))
    return found


@pytest.mark.parametrize(
    ("name", "row", "log", "after", "expected", "recovered"),
    [
        ("missed some", LIVE, LOG, Position(1, 2), [("delta", "1-4", "bc")], True),
        ("missed nothing", LIVE, LOG, AT_END, [], True),
        ("saw nothing yet", LIVE, LOG, START, [("started", "1-1", None), ("delta", "1-4", "abc")], True),
        ("missed the end", ENDED, CLOSED, AT_END, [("completed", "1-5", None)], True),
        ("saw the end", ENDED, CLOSED, END.position, [], True),
        ("log without the end", ENDED, LOG, Position(1, 3), [("delta", "1-4", "c"), ("completed", "1-5", None)], True),
        ("no log, all text", ENDED, NO_LOG, AT_END, [("completed", "1-5", None)], True),
        ("no log, less text", ENDED, NO_LOG, Position(1, 3), WHOLE, False),
        ("no log, claims the end", ENDED, NO_LOG, END.position, WHOLE, False),
        ("Redis away, all text", ENDED, None, AT_END, [("completed", "1-5", None)], True),
        ("future", LIVE, LOG, Position(1, 9), SO_FAR, False),
        ("never was", LIVE, LOG, Position(0, 7), SO_FAR, False),
        ("Redis away, has more than the row", LIVE, None, AT_END, [], False),
        ("Redis away, has less than the row", LIVE, None, Position(1, 2), [("snapshot", "1-3", "ab")], False),
        ("log lost, has more than the row", LIVE, NO_LOG, AT_END, [], False),
        ("waits", WAITING, LOG, Position(1, 2), [("delta", "1-4", "bc"), ("queued", None, None)], True),
    ],
)  # fmt: skip
async def test_a_viewer_who_comes_back(
    name: str, row: Row, log: LogPart | None, after: Position, expected: list[Any], recovered: bool
) -> None:
    plan = Reading(GENERATION, row, log).plan(await viewer(after))
    assert frames(plan) == expected
    assert plan is not None
    assert plan.recovered is recovered


@pytest.mark.parametrize(
    ("name", "row", "log", "expected", "recovered"),
    [
        ("running", LIVE, LOG, SO_FAR, True),
        ("no checkpoint yet", EARLY, LOG, [("started", "1-1", None), ("delta", "1-4", "abc")], True),
        ("waiting", QUEUED, NO_LOG, [("queued", None, None)], True),
        ("ended", ENDED, CLOSED, WHOLE, True),
        ("ended long ago", ENDED, NO_LOG, WHOLE, True),
        ("Redis away", LIVE, None, [("snapshot", "1-3", "ab")], False),
        ("waiting for the next attempt", WAITING, LOG, [*SO_FAR, ("queued", None, None)], True),
    ],
)  # fmt: skip
async def test_a_new_viewer(name: str, row: Row, log: LogPart | None, expected: list[Any], recovered: bool) -> None:
    plan = Reading(GENERATION, row, log).plan(await viewer())
    assert frames(plan) == expected
    assert plan is not None
    assert plan.recovered is recovered


async def queued_frames(row: Row, log: LogPart | None, *, is_open: bool = False) -> list[dict[str, Any]]:
    plan = Reading(GENERATION, row, log).plan(await viewer(is_open=is_open))
    assert plan is not None
    return [frame for piece in plan.pieces if (frame := json.loads(piece.frame))["type"] == "stream.queued"]


async def test_whoever_comes_during_a_wait_is_told_what_was_said_before() -> None:
    retrying = Queued(generation=GENERATION, reason="retrying", message="Slow down.", retry_in_s=2.5)
    assert await queued_frames(WAITING._replace(queued=retrying), LOG) == [json.loads(encode(retrying))]
    [away] = await queued_frames(WAITING, None)
    assert away["reason"] == "waiting_for_queue"
    assert await queued_frames(WAITING, LOG, is_open=True) == []


@pytest.mark.parametrize(
    "log", [log_of(*EVENTS, started(2, AT_END)), CLOSED], ids=["the next attempt has begun", "it has ended"]
)
async def test_nobody_is_told_of_a_wait_that_ended_since_the_row_was_read(log: LogPart) -> None:
    assert await queued_frames(WAITING, log) == []


async def test_another_epoch_starts_over() -> None:
    plan = Reading(GENERATION, LIVE, LOG).plan(await viewer(AT_END, "e0"))
    assert frames(plan) == SO_FAR
    assert plan is not None
    assert (plan.epoch, plan.recovered) == ("e1", False)


async def test_whoever_needs_text_that_was_not_read_waits_for_the_next_read() -> None:
    row = LIVE._replace(text=None)
    assert Reading(GENERATION, row, LOG).plan(await viewer(Position(1, 9))) is None
    assert Reading(GENERATION, row, LOG).plan(await viewer(Position(1, 2))) is not None


async def test_an_open_viewer_without_epoch_is_told_it_by_an_empty_snapshot() -> None:
    row = EARLY
    plan = Reading(GENERATION, row, LOG).plan(await viewer(is_open=True))
    assert frames(plan)[0] == ("snapshot", "0-0", "")


async def test_viewers_who_need_the_same_share_it() -> None:
    reading = Reading(GENERATION, LIVE, LOG)
    plans = [reading.plan(await viewer()) for _ in range(2)]
    first, second = (list(plan.pieces) for plan in plans if plan is not None)
    assert all(one is other for one, other in zip(first, second, strict=True))


async def test_a_broken_chain_in_the_log_is_not_passed_on() -> None:
    reading = Reading(GENERATION, LIVE, log_of(EVENTS[0], EVENTS[1], EVENTS[3]))
    plan = reading.plan(await viewer(Position(1, 1)))
    assert frames(plan) == SO_FAR


async def test_the_same_snapshot_is_not_sent_twice() -> None:
    class Sink:
        delivered = 0

        def deliver(self, frame: str, size: int) -> bool:
            self.delivered += 1
            return True

    sink = Sink()
    one = Viewer(cast(Connection, sink), None, None, lambda opened: None, lambda: None)
    for _ in range(2):
        plan = Reading(GENERATION, LIVE, None).plan(one)
        assert plan is not None
        one.open(plan.epoch, plan.recovered, "streaming")
        one.follow(plan)
        assert one.send_backlog()
        one.needs_text = True
    assert sink.delivered == 1
    assert one.position == LIVE.position


async def test_the_owner_is_told_once_before_the_first_frame() -> None:
    told: list[SubscriptionOpened] = []
    one = Viewer(cast(Connection, None), None, "ignored", told.append, lambda: None)
    one.open(None, True, "queued")
    one.open("e1", True, "streaming")
    assert told == [SubscriptionOpened(None, True, "queued")]
