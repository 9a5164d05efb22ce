"""The only mover of states: one function per move, each one UPDATE that compares (status, attempt) and sets.

All are sync and each is one transaction; call them through `database.call`. A refused move returns None or False: the
caller has lost the generation to somebody else and must leave it alone.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from streaming import budgets, conf, hooks, ledger, metrics
from streaming.answer_times import answer_times
from streaming.continuation import VendorRun
from streaming.errors import Refused, StreamingError
from streaming.events import Completed, Ended, Expired, Failed, Interrupted, Position, Queued, Stopped
from streaming.hooks import AfterEnd
from streaming.lane_tickets import asks_nobody
from streaming.ledger import Line
from streaming.models import Generation
from streaming.prepared import Update, prepared, prepared_update
from streaming.prompt import Prompt
from streaming.providers.base import Usage
from streaming.spending import Found
from streaming.states import RUNNING, TERMINAL, Status, sources_of

log = logging.getLogger(__name__)

GOES_ON: Final = "The server that was answering is gone; another one goes on."
_NO_WAIT: Final = {"wait_reason": "", "wait_message": "", "wait_until": None}
_ENDED_EVENTS: dict[str, type[Ended]] = {
    Status.COMPLETED: Completed,
    Status.STOPPED: Stopped,
    Status.INTERRUPTED: Interrupted,
    Status.FAILED: Failed,
    Status.EXPIRED: Expired,
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on one attempt, with what the run needs from the row."""

    generation_id: str
    attempt: int
    model: str
    prompt: Prompt
    text: str
    position: Position
    provider_errors: int
    crashes: int
    requested_at: datetime
    stop_requested: bool
    expired: bool
    vendor_run: VendorRun
    blocks: str = ""
    input_estimate: int = 0
    #: By the person's budget: nothing is asked.
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, to be written to the row."""

    status: Status
    text: str
    position: Position
    reason: str = ""
    error: StreamingError | None = None
    usage: Usage | None = None
    usage_source: str = ""
    #: Of the text, as `answer_blocks` encodes them.
    blocks: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """A committed end: the terminal event and what the host wants done."""

    event: Ended
    after: AfterEnd


@dataclass(frozen=True, slots=True)
class Checkpoint:
    generation_id: str
    attempt: int
    text: str
    position: Position
    blocks: str = ""


@transaction.atomic
def claim(
    generation_id: str, worker: str, admission: int = 0, *, prompt: Prompt | None = None, ends_only: bool = False,
    handed_at: datetime | None = None,
) -> Claim | None:  # fmt: skip
    """QUEUED → ADMITTED, attempt + 1. None: somebody else has it, or it is over. `prompt`: read a moment ago, if it
    was. `ends_only`: without its lane's permission only what asks no provider may start. `handed_at`: when its lane let
    it start."""
    rows = _generation(UUID(generation_id))
    if not rows or rows[0].status != Status.QUEUED or (ends_only and not asks_nobody(rows[0])):
        return None
    row = rows[0]
    attempt = row.attempt + 1
    if not _admit(row.pk, row.attempt, attempt, worker, admission, timezone.now()):
        return None
    prompt = prompt or hooks.build_prompt(generation_id)
    refused = budgets.cover(row, prompt)
    ledger.open_line(row, attempt, worker, handed_at)
    return Claim(
        generation_id=str(row.pk),
        attempt=attempt,
        model=row.model,
        prompt=prompt,
        text=row.text,
        position=Position(row.position_attempt, row.position_seq),
        provider_errors=row.provider_errors,
        crashes=row.crashes,
        requested_at=row.requested_at,
        stop_requested=row.stop_requested_at is not None,
        expired=row.deadline_at <= timezone.now(),
        vendor_run=VendorRun(row.vendor_run, row.vendor_run_after),
        blocks=row.blocks,
        input_estimate=row.input_estimate,
        refused=refused,
    )


@prepared_update
def _admit(pk: UUID, before: int, attempt: int, worker: str, admission: int, at: datetime) -> Update:
    row = Generation.objects.filter(pk=pk, status=Status.QUEUED, attempt=before)
    hold = {"attempt": attempt, "worker": worker, "admission": admission, "admitted_at": at}
    return row, {"status": Status.ADMITTED, **hold, **_NO_WAIT}


@transaction.atomic
def first_text(generation_id: str, attempt: int, at: datetime) -> bool:
    """ADMITTED → STREAMING."""
    pk = UUID(generation_id)
    ledger.first_text(pk, attempt, at)
    return bool(_has_text(pk, attempt, at))


@prepared_update
def _has_text(pk: UUID, attempt: int, at: datetime) -> Update:
    row = Generation.objects.filter(pk=pk, attempt=attempt, status=Status.ADMITTED)
    return row, {"status": Status.STREAMING, "first_text_at": Coalesce("first_text_at", at)}


def keep_run(generation_id: str, attempt: int, run: VendorRun) -> bool:
    """Where the next attempt finds the run that this one started; once per run."""
    row = Generation.objects.filter(pk=generation_id, attempt=attempt)
    return bool(row.update(vendor_run=run.handle, vendor_run_after=run.after_chars))


@transaction.atomic
def resume(generation_id: str, attempt: int, found: Found | None) -> bool:
    """ADMITTED → STREAMING for an attempt that goes on from text. `found`: what it knows of the one before it; None if
    both are one run of the vendor's, who counts it as one."""
    if found is not None:
        ledger.fold_line(generation_id, attempt, found)
    moved = Generation.objects.filter(pk=generation_id, attempt=attempt, status=Status.ADMITTED)
    return bool(moved.update(status=Status.STREAMING))


@transaction.atomic
def fold(generation_id: str, attempt: int, found: Found) -> bool:
    """The attempt before this one was lost without any text."""
    ledger.fold_line(generation_id, attempt, found)
    return True


def busy_workers() -> list[str]:
    """The workers that hold running generations, as the rows say."""
    rows = Generation.objects.filter(status__in=RUNNING).exclude(worker="")
    return sorted(set(rows.values_list("worker", flat=True)))


@transaction.atomic
def reap(worker: str) -> list[str]:
    """Running → QUEUED for everything a dead worker held, with a new deadline; returns the ids. The text stays as it
    is: the next attempt folds in what the log holds beyond it."""
    now, settings = timezone.now(), conf.get()
    reaped = []
    for row in Generation.objects.filter(worker=worker, status__in=RUNNING):
        moved = Generation.objects.filter(pk=row.pk, attempt=row.attempt, worker=worker, status__in=RUNNING).update(
            status=Status.QUEUED,
            worker="",
            crashes=F("crashes") + 1,
            wait_reason="continuing",
            wait_message=GOES_ON,
            wake_at=now + timedelta(seconds=settings.wake_again_s),
            deadline_at=now + timedelta(seconds=settings.queue_deadline_s),
        )
        if moved:
            ledger.lose_line(row)
            reaped.append(str(row.pk))
    return reaped


def checkpoint(checkpoints: list[Checkpoint], running: list[str]) -> tuple[set[str], set[str]]:
    """Write the texts of a process's streams. Returns the ids among them that are no longer ours, and those of
    `running` whose stop was requested (the row wins over a flag that Redis may have lost)."""
    fenced = _write_checkpoints(checkpoints) if checkpoints else set()
    return fenced, stops_requested(running) if running else set()


@transaction.atomic
def _write_checkpoints(checkpoints: list[Checkpoint]) -> set[str]:
    calls = [(UUID(item.generation_id), item.attempt, item.text, item.blocks, *item.position) for item in checkpoints]
    if _save_text.many(calls) == len(calls):
        return set()
    rows = Generation.objects.filter(pk__in=[pk for pk, *_ in calls], status__in=RUNNING)
    ours = set(rows.values_list("pk", "attempt"))
    return {item.generation_id for item in checkpoints if (UUID(item.generation_id), item.attempt) not in ours}


@prepared_update
def _save_text(pk: UUID, attempt: int, text: str, blocks: str, position_attempt: int, position_seq: int) -> Update:
    row = Generation.objects.filter(pk=pk, attempt=attempt, status__in=RUNNING)
    return row, {"text": text, "blocks": blocks, "position_attempt": position_attempt, "position_seq": position_seq}


def stops_requested(generation_ids: list[str]) -> set[str]:
    rows = Generation.objects.filter(pk__in=generation_ids, stop_requested_at__isnull=False)
    return {str(pk) for pk in rows.values_list("pk", flat=True)}


@transaction.atomic
def requeue(
    generation_id: str, attempt: int, outcome: Outcome, wait: Queued, *, wake_in_s: float, counts: bool
) -> bool:
    """Running → QUEUED: the same request waits for another try. `wait` is what people are told of it meanwhile;
    `counts` says whether it uses up one of the tries."""
    row = Generation.objects.filter(
        pk=generation_id, attempt=attempt, status__in=sources_of(Status.QUEUED), stop_requested_at__isnull=True
    )
    values: dict[str, Any] = {
        "status": Status.QUEUED,
        "worker": "",
        "text": outcome.text,
        "blocks": outcome.blocks,
        "position_attempt": outcome.position.attempt,
        "position_seq": outcome.position.seq,
        "wake_at": timezone.now() + timedelta(seconds=wake_in_s),
        "wait_reason": wait.reason,
        "wait_message": wait.message[:300],
        "wait_until": timezone.now() + timedelta(seconds=wait.retry_in_s or 0),
    }
    if counts:
        values["provider_errors"] = row.values_list("provider_errors", flat=True).first() or 0
        values["provider_errors"] += 1
    if not row.update(**values):
        # Perhaps it is done already, and only the database's answer was lost: a claim would have raised the attempt.
        return Generation.objects.filter(pk=generation_id, attempt=attempt, status=Status.QUEUED).exists()
    ledger.close_line(generation_id, attempt, _line("retried", outcome))
    return True


@transaction.atomic
def finish(generation_id: str, attempt: int, outcome: Outcome) -> End | None:
    """Running → terminal. `outcome.position` becomes the terminal event's position."""
    raw = outcome.text.encode()
    error = outcome.error
    entries = ledger.entries_of(generation_id)
    values: dict[str, Any] = {
        "status": outcome.status,
        "text": outcome.text,
        "blocks": outcome.blocks,
        "position_attempt": outcome.position.attempt,
        "position_seq": outcome.position.seq,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "text_bytes": len(raw),
        "finish_reason": outcome.reason[:40],
        "finished_at": timezone.now(),
        "worker": "",
        **ledger.total(entries, attempt, outcome.usage),
    }
    if error is not None or outcome.status == Status.COMPLETED:  # why it was to be stopped, if that came too late
        values |= _said(error)
    row = Generation.objects.filter(pk=generation_id, attempt=attempt)
    if not row.filter(status__in=sources_of(outcome.status) & RUNNING).update(**values):
        # Perhaps it is done already, and only the database's answer was lost: then its event is still to be sent.
        same = {name: values[name] for name in ("status", "position_attempt", "position_seq", "sha256")}
        ended = row.filter(**same).first()
        return End(event=ended_event(ended), after=AfterEnd()) if ended else None
    ledger.close_line(generation_id, attempt, _line(outcome.status.value, outcome), entries)
    return _end_of(generation_id)


@transaction.atomic
def end_queued(generation_id: str, status: Status, error: StreamingError | None = None) -> End | None:
    """QUEUED → STOPPED, EXPIRED or FAILED, without any worker. None if it is not waiting any more, or if its log may
    hold text that people saw and the row has not, or the vendor a run: then a worker must take it, and end it."""
    row = Generation.objects.filter(pk=generation_id, status=Status.QUEUED).first()
    if row is None or row.text or row.crashes or row.vendor_run or Status.QUEUED not in sources_of(status):
        return None
    raw = row.text.encode()
    moved = Generation.objects.filter(pk=row.pk, status=Status.QUEUED, attempt=row.attempt).update(
        status=status,
        position_seq=row.position_seq + 1,
        sha256=hashlib.sha256(raw).hexdigest(),
        text_bytes=len(raw),
        finished_at=timezone.now(),
        **(_said(error) if error else {}),
    )
    return _end_of(generation_id) if moved else None


def request_stop(generation_id: str) -> str:
    """Write the wish to the row, whatever its state; returns the status found."""
    rows = Generation.objects.filter(pk=generation_id)
    rows.filter(stop_requested_at__isnull=True).exclude(status__in=TERMINAL).update(stop_requested_at=timezone.now())
    return rows.values_list("status", flat=True).get()


def withdraw(generation_ids: Iterable[UUID], because: StreamingError, *, running: bool = False) -> list[str]:
    """Those of them that wait and have brought nothing yet (`running`: all that have not ended) are to end, and to say
    why; returns them. In the caller's transaction: from its commit on no worker asks for them."""
    live = Generation.objects.filter(stop_requested_at=None).exclude(status__in=TERMINAL)
    if not running:
        live = live.filter(status=Status.QUEUED, text="", crashes=0, vendor_run="")
    wish = {"stop_requested_at": timezone.now(), **_said(because)}
    return [str(pk) for pk in generation_ids if live.filter(pk=pk).update(**wish)]


def _said(error: StreamingError | None) -> dict[str, Any]:
    if error is None:
        return {"error_code": "", "error_message": "", "error_retryable": False}
    return {"error_code": error.code, "error_message": error.message[:300], "error_retryable": error.retryable}


def queued_event(row: Generation) -> Queued:
    """What a waiting row waits for, to whoever was not there when it was said."""
    left_s = (row.wait_until - timezone.now()).total_seconds() if row.wait_until else None
    return Queued(
        generation=str(row.pk),
        reason=row.wait_reason or ("starting" if row.lane_tag is None else "waiting"),
        message=row.wait_message,
        retry_in_s=None if left_s is None else round(max(0.0, left_s), 1),
    )


def ended_event(row: Generation) -> Ended:
    """The terminal event, made from a terminal row: the same for the worker that ended it and for any later reader."""
    times = answer_times(row.requested_at, row.admitted_at, row.first_text_at, row.finished_at)
    return _ENDED_EVENTS[row.status](
        generation=str(row.pk),
        position=Position(row.position_attempt, row.position_seq),
        bytes=row.text_bytes,
        sha256=row.sha256,
        reason=row.finish_reason,
        code=row.error_code,
        message=row.error_message,
        retryable=row.error_retryable,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cached_tokens=row.cached_tokens,
        waited_ms=times.waited_ms,
        first_text_ms=times.first_text_ms,
        duration_ms=times.duration_ms,
    )


@prepared
def _generation(pk: UUID) -> QuerySet[Generation]:
    return Generation.objects.filter(pk=pk)


def _end_of(generation_id: str) -> End:
    (row,) = _generation(UUID(generation_id))
    try:
        with transaction.atomic():
            after = hooks.generation_ended(generation_id)
    except (OperationalError, InterfaceError):  # the database is away: all of it is tried again
        raise
    except Exception:  # the host's mistake must not keep its people waiting for an end
        log.exception("the host could not follow the end of %s", generation_id)
        after = AfterEnd()
    budgets.settle(row.pk)  # after the host has locked what it needs
    transaction.on_commit(partial(metrics.stream_ended, row.status))
    return End(event=ended_event(row), after=after)


def _line(name: str, outcome: Outcome) -> Line:
    return Line(name, outcome.error.code if outcome.error else "", outcome.usage, outcome.usage_source)
