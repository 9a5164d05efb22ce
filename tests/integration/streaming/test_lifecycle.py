"""Every move of a generation, allowed or not: one compare-and-set each, and nothing changes when it is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from streaming import conf, due, hooks, lifecycle
from streaming.errors import ProviderOverloaded, StreamingError
from streaming.events import Completed, Position, Queued
from streaming.hooks import AfterEnd
from streaming.lifecycle import Checkpoint, Outcome
from streaming.models import Attempt, Generation
from streaming.providers.base import Usage
from streaming.states import LIVE, RUNNING, TERMINAL, TRANSITIONS, Status
from tests import engine
from tests.engine import create_row

pytestmark = pytest.mark.django_db

ENDS = sorted(TERMINAL)
WAIT = Queued(generation="", reason="retrying", message="Slow down.", retry_in_s=3)


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.STREAMING = engine.SETTINGS
    engine.ended.clear()


def make(status: Status, **fields: Any) -> Generation:
    """A row in any state, in its second attempt."""
    defaults = {"attempt": 2, "text": "so far", "position_attempt": 2, "position_seq": 4, "status": status}
    row = Generation.objects.get(pk=create_row(**(defaults | fields)))
    Attempt.objects.create(generation=row, number=2, worker="w")
    return row


def values(row: Generation) -> dict[str, Any]:
    return dict(Generation.objects.filter(pk=row.pk).values().get())


def outcome(status: Status, **fields: Any) -> Outcome:
    defaults = {"text": "the text é", "position": Position(2, 9), "reason": "stop"}
    return Outcome(status, **(defaults | fields))


# Claim.


@pytest.mark.parametrize("status", Status)
def test_only_a_queued_row_can_be_claimed(status: Status) -> None:
    row = make(status)
    before = values(row)
    claim = lifecycle.claim(str(row.pk), "me")
    if status is not Status.QUEUED:
        assert claim is None
        assert values(row) == before
        return
    assert claim is not None
    assert (claim.attempt, claim.position, claim.model) == (3, Position(2, 4), "scripted")
    row.refresh_from_db()
    assert (row.status, row.attempt, row.worker) == (Status.ADMITTED, 3, "me")
    assert list(row.attempts.values_list("number", "worker", "outcome")) == [(2, "w", ""), (3, "me", "")]


def test_a_row_is_claimed_once() -> None:
    row = make(Status.QUEUED)
    assert lifecycle.claim(str(row.pk), "one") is not None
    assert lifecycle.claim(str(row.pk), "two") is None


def test_a_claim_that_another_one_overtakes_is_refused() -> None:
    """On a database whose reads do not wait for writers."""
    row = make(Status.QUEUED)
    overtaken = False

    def overtake(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal overtaken
        if sql.startswith("UPDATE") and not overtaken:
            overtaken = True
            Generation.objects.filter(pk=row.pk).update(status=Status.ADMITTED, attempt=3, worker="first")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(overtake):
        assert lifecycle.claim(str(row.pk), "second") is None
    assert values(row)["worker"] == "first"


def test_a_deleted_row_cannot_be_claimed() -> None:
    row = make(Status.QUEUED)
    row.delete()
    assert lifecycle.claim(str(row.pk or "00000000-0000-0000-0000-000000000000"), "me") is None


def test_a_claim_tells_of_a_stop_that_came_before() -> None:
    claim = lifecycle.claim(str(make(Status.QUEUED, stop_requested_at=timezone.now()).pk), "me")
    assert claim is not None
    assert claim.stop_requested


def test_a_claim_without_a_prompt_claims_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(generation_id: str) -> None:
        raise LookupError("the question was deleted")

    row = make(Status.QUEUED)
    before = values(row)
    monkeypatch.setattr(hooks, "build_prompt", fail)
    with pytest.raises(LookupError):
        lifecycle.claim(str(row.pk), "me")
    assert values(row) == before
    assert row.attempts.count() == 1


# First text.


@pytest.mark.parametrize("status", Status)
def test_only_an_admitted_row_begins_to_stream(status: Status) -> None:
    row, at = make(status), timezone.now()
    before = values(row)
    assert lifecycle.first_text(str(row.pk), 2, at) is (status is Status.ADMITTED)
    changes = {"status": Status.STREAMING, "first_text_at": at} if status is Status.ADMITTED else {}
    assert values(row) == before | changes
    assert row.attempts.get().first_text_at == at


def test_the_first_text_of_all_attempts_is_the_first() -> None:
    earlier = timezone.now() - timedelta(seconds=9)
    row = make(Status.ADMITTED, first_text_at=earlier)
    lifecycle.first_text(str(row.pk), 2, timezone.now())
    assert values(row)["first_text_at"] == earlier


# Requeue.


@pytest.mark.parametrize("status", Status)
def test_only_a_running_row_goes_back_to_the_queue(status: Status) -> None:
    row = make(status)
    before = values(row)
    kept = outcome(Status.QUEUED, text="", error=ProviderOverloaded(), usage=Usage(3, 0))
    moved = lifecycle.requeue(str(row.pk), 2, kept, WAIT, wake_in_s=5, counts=True)
    if status not in RUNNING:
        assert values(row) == before
        assert moved is (status is Status.QUEUED)  # it is there already
        return
    assert moved
    row.refresh_from_db()
    assert (row.status, row.worker, row.attempt, row.provider_errors) == (Status.QUEUED, "", 2, 1)
    assert (row.text, row.position_attempt, row.position_seq) == ("", 2, 9)
    assert timedelta(seconds=4) < row.wake_at - timezone.now() <= timedelta(seconds=5)
    assert (row.wait_reason, row.wait_message) == ("retrying", "Slow down.")
    assert row.wait_until is not None
    assert timedelta(seconds=2) < row.wait_until - timezone.now() <= timedelta(seconds=3)
    ledger = row.attempts.get()
    assert (ledger.outcome, ledger.error_code, ledger.input_tokens) == ("retried", "overloaded", 3)
    assert ledger.ended_at is not None


def test_a_try_that_does_not_count_leaves_the_counter() -> None:
    row = make(Status.ADMITTED, provider_errors=1)
    lifecycle.requeue(str(row.pk), 2, outcome(Status.QUEUED), WAIT, wake_in_s=0, counts=False)
    assert values(row)["provider_errors"] == 1


def test_whoever_was_asked_to_stop_does_not_go_back_to_the_queue() -> None:
    row = make(Status.ADMITTED, stop_requested_at=timezone.now())
    assert not lifecycle.requeue(str(row.pk), 2, outcome(Status.QUEUED), WAIT, wake_in_s=0, counts=True)
    assert values(row)["status"] == Status.ADMITTED


def test_a_return_to_the_queue_whose_answer_was_lost_may_be_repeated_until_somebody_claims() -> None:
    row = make(Status.ADMITTED)
    for _ in range(2):
        assert lifecycle.requeue(str(row.pk), 2, outcome(Status.QUEUED), WAIT, wake_in_s=0, counts=True)
    assert values(row)["provider_errors"] == 1
    lifecycle.claim(str(row.pk), "other")
    assert not lifecycle.requeue(str(row.pk), 2, outcome(Status.QUEUED), WAIT, wake_in_s=0, counts=True)


# Finish.


@pytest.mark.parametrize("target", ENDS)
@pytest.mark.parametrize("status", Status)
def test_a_worker_ends_only_what_runs_and_only_as_the_table_allows(status: Status, target: Status) -> None:
    row = make(status)
    before = values(row)
    end = lifecycle.finish(str(row.pk), 2, outcome(target))
    if status not in RUNNING or target not in TRANSITIONS[status]:
        assert end is None
        assert values(row) == before
        assert engine.ended == []
        return
    assert end is not None
    row.refresh_from_db()
    assert row.status == target
    assert (row.text, row.text_bytes, row.position_attempt, row.position_seq) == ("the text é", 11, 2, 9)
    assert row.finished_at is not None
    assert engine.ended == [str(row.pk)]
    assert row.attempts.get().outcome == target.value


@pytest.mark.parametrize("target", ENDS)
@pytest.mark.parametrize("attempt", [1, 3])
def test_nobody_but_the_holder_of_the_attempt_moves_a_row(attempt: int, target: Status) -> None:
    for status in LIVE:
        row = make(status)
        before, generation_id = values(row), str(row.pk)
        assert lifecycle.finish(generation_id, attempt, outcome(target)) is None
        assert not lifecycle.requeue(generation_id, attempt, outcome(Status.QUEUED), WAIT, wake_in_s=0, counts=True)
        assert not lifecycle.first_text(generation_id, attempt, timezone.now())
        fenced, _ = lifecycle.checkpoint([Checkpoint(generation_id, attempt, "x", Position(attempt, 1))], [])
        assert fenced == {generation_id}
        assert values(row) == before


def test_a_finish_writes_reason_error_and_usage() -> None:
    row = make(Status.STREAMING)
    error = StreamingError("m" * 400, code="cut", retryable=True)
    lifecycle.finish(
        str(row.pk),
        2,
        outcome(Status.INTERRUPTED, reason="r" * 60, error=error, usage=Usage(7, 5, 2), usage_source="provider"),
    )
    row.refresh_from_db()
    assert (row.finish_reason, row.error_code, row.error_message, row.error_retryable) == (
        "r" * 40,
        "cut",
        "m" * 300,
        True,
    )
    assert (row.input_tokens, row.output_tokens, row.cached_tokens) == (7, 5, 2)
    ledger = row.attempts.get()
    assert (ledger.error_code, ledger.input_tokens, ledger.output_tokens, ledger.usage_source) == (
        "cut",
        7,
        5,
        "provider",
    )


def test_a_finish_whose_answer_was_lost_gives_the_same_event_again_and_asks_the_host_once() -> None:
    row = make(Status.STREAMING)
    first = lifecycle.finish(str(row.pk), 2, outcome(Status.COMPLETED))
    again = lifecycle.finish(str(row.pk), 2, outcome(Status.COMPLETED))
    assert first is not None
    assert again is not None
    assert (again.event, again.after) == (first.event, AfterEnd())
    assert engine.ended == [str(row.pk)]
    assert lifecycle.finish(str(row.pk), 2, outcome(Status.COMPLETED, text="other")) is None
    assert lifecycle.finish(str(row.pk), 2, outcome(Status.STOPPED)) is None


@pytest.mark.parametrize("target", ENDS)
def test_the_terminal_event_is_the_same_whenever_it_is_made_from_the_row(target: Status) -> None:
    asked = timezone.now() - timedelta(seconds=3)
    row = make(Status.STREAMING if target in TRANSITIONS[Status.STREAMING] else Status.ADMITTED)
    Generation.objects.filter(pk=row.pk).update(requested_at=asked, first_text_at=asked + timedelta(milliseconds=250))
    end = lifecycle.finish(
        str(row.pk), 2, outcome(target, error=ProviderOverloaded(), usage=Usage(1, 2), position=Position(2, 12))
    )
    assert end is not None
    assert lifecycle.ended_event(Generation.objects.get(pk=row.pk)) == end.event
    assert end.event.position == Position(2, 12)
    assert end.event.first_text_ms == 250
    assert 3000 <= (end.event.duration_ms or 0) < 60_000
    assert end.event.TYPE.removeprefix("stream.") == target.value


def test_the_hosts_mistake_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(generation_id: str) -> AfterEnd:
        Generation.objects.create(pk=generation_id)  # a mistake in the database, too
        raise AssertionError

    row = make(Status.STREAMING)
    monkeypatch.setattr(hooks, "generation_ended", fail)
    end = lifecycle.finish(str(row.pk), 2, outcome(Status.COMPLETED))
    assert end is not None
    assert isinstance(end.event, Completed)
    assert end.after == AfterEnd()
    assert values(row)["status"] == Status.COMPLETED


def test_a_database_that_is_away_in_the_hosts_part_undoes_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(generation_id: str) -> AfterEnd:
        raise OperationalError("database is locked")

    row = make(Status.STREAMING)
    monkeypatch.setattr(hooks, "generation_ended", fail)
    with pytest.raises(OperationalError):
        lifecycle.finish(str(row.pk), 2, outcome(Status.COMPLETED))
    assert values(row)["status"] == Status.STREAMING


# An end without a worker.


@pytest.mark.parametrize("target", ENDS)
@pytest.mark.parametrize("status", Status)
def test_without_a_worker_only_a_queued_row_ends(status: Status, target: Status) -> None:
    row = make(status, text="")
    before = values(row)
    end = lifecycle.end_queued(str(row.pk), target, ProviderOverloaded())
    if status is not Status.QUEUED or target not in (Status.STOPPED, Status.EXPIRED, Status.FAILED):
        assert end is None
        assert values(row) == before
        return
    assert end is not None
    row.refresh_from_db()
    assert (row.status, row.text, row.error_code) == (target, "", "overloaded")
    assert end.event == lifecycle.ended_event(row)
    assert end.event.position == Position(2, 5)
    assert end.event.bytes == 0
    assert engine.ended == [str(row.pk)]


@pytest.mark.parametrize("status", Status)
def test_a_wish_to_stop_is_written_to_a_live_row_only(status: Status) -> None:
    row = make(status)
    assert lifecycle.request_stop(str(row.pk)) == status
    assert (values(row)["stop_requested_at"] is not None) is (status in LIVE)


def test_the_first_wish_to_stop_keeps_its_time() -> None:
    row = make(Status.STREAMING)
    lifecycle.request_stop(str(row.pk))
    first = values(row)["stop_requested_at"]
    lifecycle.request_stop(str(row.pk))
    assert values(row)["stop_requested_at"] == first
    assert lifecycle.stops_requested([str(row.pk), str(make(Status.STREAMING).pk)]) == {str(row.pk)}


# Checkpoints.


def test_a_checkpoint_writes_the_texts_of_many_and_names_the_lost_and_the_stopped() -> None:
    running, stopped, ended = make(Status.STREAMING), make(Status.ADMITTED), make(Status.COMPLETED)
    lifecycle.request_stop(str(stopped.pk))
    ids = [str(row.pk) for row in (running, stopped, ended)]
    items = [Checkpoint(generation_id, 2, f"text of {generation_id}", Position(2, 6)) for generation_id in ids]
    assert lifecycle.checkpoint(items, ids) == ({ids[2]}, {ids[1]})
    for row in (running, stopped):
        row.refresh_from_db()
        assert (row.text, row.position_seq) == (f"text of {row.pk}", 6)
    assert values(ended)["text"] == "so far"
    assert lifecycle.checkpoint([], []) == (set(), set())


# The pacer's reads.


def test_due_wake_ups_are_those_whose_time_has_come_and_each_gets_its_next_time() -> None:
    now = timezone.now()

    def waiting(wake_at: datetime, **fields: Any) -> str:
        return create_row(wake_at=wake_at, **fields)

    second, first = waiting(now - timedelta(seconds=5)), waiting(now - timedelta(seconds=9))
    waiting(now + timedelta(seconds=5))
    waiting(now, deadline_at=now - timedelta(seconds=1))
    waiting(now, status=Status.ADMITTED)
    assert due.wake_ups() == [first, second]
    assert due.wake_ups() == []
    again = Generation.objects.get(pk=first).wake_at - now
    assert timedelta(0) <= again - timedelta(seconds=conf.get().wake_again_s) < timedelta(seconds=5)


def test_whoever_has_a_place_is_woken_only_if_something_else_is_due_as_well() -> None:
    placed: dict[str, Any] = {"wake_at": timezone.now(), "lane_tag": 5, "lane_seq": 1}
    create_row(**placed)
    retried = create_row(**placed, wait_until=timezone.now())
    stopped = create_row(**placed, stop_requested_at=timezone.now(), text="seen")
    assert sorted(due.wake_ups()) == sorted([retried, stopped])


def test_overdue_are_the_waiting_rows_past_their_deadline() -> None:
    past = timezone.now() - timedelta(seconds=1)
    overdue = create_row(deadline_at=past)
    create_row(deadline_at=past, status=Status.STREAMING)
    create_row()
    assert due.overdue() == [overdue]
