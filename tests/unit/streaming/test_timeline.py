from __future__ import annotations

import pytest

from streaming import timeline
from streaming.events import START, Position
from streaming.timeline import Event, LogPart, Timeline, Verdict
from tests.unit.streaming.test_catch_up import delta, started, stopped, usage


def log_of(*events: Event, epoch: str | None = "e1", closed: bool = False) -> LogPart:
    return LogPart(epoch, events[-1].position if events else START, closed, events)


@pytest.fixture
def known() -> Timeline:
    """Synced up to 1-3 in epoch e1."""
    known = Timeline()
    known.adopt(log_of(started(1), delta(1, 2), delta(1, 3)), START)
    return known


def test_before_the_first_read_nothing_fits() -> None:
    assert Timeline().judge(started(1), "e1") is Verdict.MISFIT


def test_the_next_event_fits_and_an_older_one_is_known(known: Timeline) -> None:
    assert known.judge(delta(1, 4), "e1") is Verdict.FITS
    assert known.judge(delta(1, 3), "e1") is Verdict.KNOWN
    assert known.judge(delta(1, 1), "e1") is Verdict.KNOWN


def test_a_hole_does_not_fit(known: Timeline) -> None:
    assert known.judge(delta(1, 5), "e1") is Verdict.MISFIT


def test_another_epoch_never_fits_not_even_with_a_fitting_or_old_position(known: Timeline) -> None:
    assert known.judge(delta(1, 4), "e2") is Verdict.MISFIT
    assert known.judge(delta(1, 2), "e2") is Verdict.MISFIT


def test_an_event_made_from_the_row_names_no_epoch(known: Timeline) -> None:
    assert known.judge(stopped(1, 4), "") is Verdict.FITS
    assert known.judge(stopped(1, 6), "") is Verdict.MISFIT


def test_the_first_event_of_a_stream_without_log_names_the_epoch() -> None:
    waiting = Timeline()
    assert waiting.adopt(log_of(epoch=None), START) == ([], False)
    assert waiting.judge(started(1), "e1") is Verdict.FITS_AND_NAMES_EPOCH
    assert waiting.judge(delta(1, 2), "e1") is Verdict.MISFIT


def test_a_read_brings_the_events_that_are_new(known: Timeline) -> None:
    events, can_go_on = known.adopt(log_of(delta(1, 2), delta(1, 3), delta(1, 4), usage(1, 5)), START)
    assert [event.position.seq for event in events] == [4, 5]
    assert can_go_on
    assert known.last == Position(1, 3), "they are accepted one by one"


def test_a_read_that_is_older_than_what_came_live_changes_nothing(known: Timeline) -> None:
    known.accept(delta(1, 4))
    assert known.adopt(log_of(started(1), delta(1, 2), delta(1, 3)), START) == ([], True)
    assert known.last == Position(1, 4)


def test_a_log_with_a_hole_moves_the_timeline_and_leaves_the_viewers_behind(known: Timeline) -> None:
    assert known.adopt(log_of(delta(1, 7), delta(1, 8)), START) == ([], False)
    assert known.last == Position(1, 8)
    assert [event.position.seq for event in known.recent(START)] == [7, 8]


def test_another_epoch_replaces_everything(known: Timeline) -> None:
    assert known.adopt(log_of(delta(1, 3), epoch="e2"), START) == ([], False)
    assert (known.epoch, known.last) == ("e2", Position(1, 3))
    assert known.bridge(Position(1, 2)) == [delta(1, 3)]
    assert known.bridge(Position(1, 1)) is None


def test_a_log_that_went_away_says_nothing(known: Timeline) -> None:
    assert known.adopt(log_of(epoch=None), Position(1, 2)) == ([], True)
    assert (known.epoch, known.last) == ("e1", Position(1, 3))


def test_without_a_log_the_row_says_where_the_stream_stands() -> None:
    waiting = Timeline()
    waiting.adopt(log_of(epoch=None), Position(1, 9))
    assert waiting.last == Position(1, 9)
    assert waiting.adopt(log_of(epoch=None), Position(1, 9)) == ([], True)
    assert waiting.adopt(log_of(epoch=None), Position(2, 4)) == ([], False)


def test_recent_events_bridge_from_any_of_their_positions_to_the_end(known: Timeline) -> None:
    known.accept(delta(1, 4))
    known.accept(started(2, Position(1, 4)))
    assert [str(event.position) for event in known.bridge(Position(1, 3)) or ()] == ["1-4", "2-1"]
    assert known.bridge(Position(2, 1)) == []
    assert known.bridge(Position(1, 9)) is None
    assert known.bridge(Position(3, 1)) is None


def test_recent_events_are_bounded_in_number_and_bytes(monkeypatch: pytest.MonkeyPatch, known: Timeline) -> None:
    monkeypatch.setattr(timeline, "RECENT_EVENTS", 10)
    for seq in range(4, 100):
        known.accept(delta(1, seq))
    assert len(known.recent(START)) == 10
    monkeypatch.setattr(timeline, "RECENT_BYTES", 1000)
    known.accept(delta(1, 100)._replace(size=999))
    assert [event.position.seq for event in known.recent(START)] == [100]
    assert known.bridge(Position(1, 98)) is None


def test_the_terminal_event_closes_it(known: Timeline) -> None:
    known.accept(stopped(1, 4))
    assert known.closed


def test_memory_serves_as_a_log_while_redis_is_away(known: Timeline) -> None:
    part = known.recent_part(Position(1, 2))
    assert part is not None
    assert (part.epoch, part.last, part.from_memory) == ("e1", Position(1, 3), True)
    assert [event.position.seq for event in part.events] == [3]
    assert Timeline().recent_part(START) is None
