"""Writes the ledger: one line per attempt, opened by its claim and closed by whatever ends it.

All functions are sync and run inside the caller's transaction; only `lifecycle` calls them. What is counted for
`/metrics` is counted once that transaction is committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from streaming import metrics, prices, providers
from streaming.models import Attempt, Generation
from streaming.prepared import Update, insert, prepared, prepared_update
from streaming.providers.base import Usage
from streaming.spending import Found
from streaming.tokens import estimate_tokens

RESERVED: Final = "reserved"
KEPT: Final = "kept"
_NOT_YET: Final = (RESERVED, KEPT)
_TOKENS: Final = ("input_tokens", "output_tokens", "cached_tokens")


@dataclass(frozen=True, slots=True)
class Line:
    """What the end of an attempt writes."""

    outcome: str
    error_code: str = ""
    usage: Usage | None = None
    usage_source: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line as it stands."""

    number: int
    model: str
    started_at: datetime
    first_text_at: datetime | None
    waited_ms: int | None
    handoff_ms: int | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost_micro: int | None


def open_line(row: Generation, number: int, worker: str, handed_at: datetime | None) -> None:
    """At the claim. `handed_at`: when its lane let it start, by the clock of whoever dispatched it."""
    now = timezone.now()
    waiting_since = _put_back_at(row) if row.attempt else row.requested_at
    handed_at = min(now, max(handed_at or now, waiting_since))
    entry = next((entry for entry in providers.catalogue() if entry.alias == row.model), None)
    insert(
        Attempt(
            generation=row,
            number=number,
            worker=worker,
            user_id=row.user_id,
            model=row.model,
            provider=entry.provider if entry else "",
            lane=row.lane,
            waited_ms=_ms(waiting_since, handed_at),
            handoff_ms=_ms(handed_at, now),
            text_before=len(row.text),
        )
    )


def first_text(generation_id: UUID, number: int, at: datetime) -> None:
    _has_text(generation_id, number, at)


def close_line(generation_id: str, number: int, line: Line, entries: list[Entry] | None = None) -> None:
    """At its end; once. `entries`: if they were read before."""
    entries = entries_of(generation_id) if entries is None else entries
    own = next((one for one in entries if one.number == number), None)
    if own is not None:
        _close(generation_id, own, line, _waits(entries, own))


def lose_line(row: Generation) -> None:
    """Its worker died. What it used is our guess until the next attempt has looked into the log (`fold_line`); a run
    that the vendor keeps is counted by whoever reads it to its end."""
    entries = entries_of(str(row.pk))
    own = next((one for one in entries if one.number == row.attempt), None)
    if own is None:
        return
    before = Attempt.objects.values_list("text_before", flat=True).get(generation=row, number=row.attempt)
    guess = Usage(row.input_estimate, estimate_tokens(row.text[before:]))
    line = Line("lost", usage_source=KEPT) if row.vendor_run else Line("lost", "", guess, RESERVED)
    _close(str(row.pk), own, line, _waits(entries, own))


def fold_line(generation_id: str, number: int, found: Found) -> None:
    """Attempt `number` goes on after one that was lost, or whose run the vendor gave up: now that one is counted."""
    before = Attempt.objects.filter(generation_id=generation_id, number__lt=number, usage_source__in=_NOT_YET)
    newest = before.order_by("-number").first()
    if newest is not None:
        usage, source = found.seen.get(newest.number), "provider"
        if usage is None:
            usage = Usage(found.input_tokens, estimate_tokens(found.text[newest.text_before :]))
            source = "counted"
        cost = prices.cost(newest.model, usage, newest.started_at)
        Attempt.objects.filter(pk=newest.pk).update(**_amounts(usage, source, cost), in_rollup=False)
        _count_tokens(newest.model, usage, cost)
    Attempt.objects.filter(generation_id=generation_id, number=number).update(text_before=len(found.text))


def entries_of(generation_id: str) -> list[Entry]:
    return [Entry(*values) for values in _lines(UUID(generation_id))]


def total(entries: list[Entry], number: int = 0, usage: Usage | None = None) -> dict[str, int | None]:
    """What all attempts used, as far as it is known; unknown stays unknown, not zero. `usage` stands for `number`."""
    others = [one for one in entries if one.number != number]
    spent: list[tuple[int | None, ...]] = [(one.input_tokens, one.output_tokens, one.cached_tokens) for one in others]
    if usage is not None:
        spent.append((usage.input_tokens, usage.output_tokens, usage.cached_tokens))
    known = [[count for count in counts if count is not None] for counts in zip(*spent, strict=True)]
    return {column: sum(counts) for column, counts in zip(_TOKENS, known, strict=False) if counts}


def _close(generation_id: str, own: Entry, line: Line, waits: dict[str, int | None]) -> None:
    cost = prices.UNKNOWN if line.usage is None else prices.cost(own.model, line.usage, own.started_at)
    Attempt.objects.filter(generation_id=generation_id, number=own.number).update(
        ended_at=timezone.now(),
        outcome=line.outcome,
        error_code=line.error_code,
        in_rollup=False,
        **waits,
        **_amounts(line.usage, line.usage_source, cost),
    )
    transaction.on_commit(partial(metrics.attempt_ended, own.model, line.outcome, {**_known_waits(own), **waits}))
    if line.usage is not None and line.usage_source != RESERVED:
        _count_tokens(own.model, line.usage, cost)


def _amounts(usage: Usage | None, source: str, cost: prices.Cost) -> dict[str, Any]:
    tokens = {name: None if usage is None else getattr(usage, name) for name in _TOKENS}
    return {**tokens, "usage_source": source, "cost_micro": cost.micro, "price_source": cost.source}


def _count_tokens(model: str, usage: Usage, cost: prices.Cost) -> None:
    counts = {"input": usage.input_tokens, "output": usage.output_tokens, "cached": usage.cached_tokens}
    transaction.on_commit(partial(metrics.tokens_used, model, counts, cost.micro))


def _known_waits(own: Entry) -> dict[str, int | None]:
    return {"waited_ms": own.waited_ms, "handoff_ms": own.handoff_ms}


def _waits(entries: list[Entry], own: Entry) -> dict[str, int | None]:
    """The time to the first text is felt once: by the attempt that wrote it, from the question on."""
    if own.first_text_at is None:
        return {}
    waits: dict[str, int | None] = {"provider_ms": _ms(own.started_at, own.first_text_at)}
    first = min(entries, key=lambda one: one.number)
    if not any(one.first_text_at is not None and one.number < own.number for one in entries):
        before = (first.waited_ms or 0) + (first.handoff_ms or 0)
        waits["ttft_ms"] = before + _ms(first.started_at, own.first_text_at)
    return waits


def _put_back_at(row: Generation) -> datetime:
    """When its newest attempt ended; since then it has waited again."""
    newest = Attempt.objects.filter(generation_id=row.pk, ended_at__isnull=False).order_by("-number")
    return newest.values_list("ended_at", flat=True).first() or row.requested_at


def _ms(start: datetime, end: datetime) -> int:
    return max(0, round((end - start).total_seconds() * 1000))


@prepared
def _lines(generation_id: UUID) -> QuerySet[Attempt, Any]:
    attempts = Attempt.objects.filter(generation_id=generation_id)
    waits = ("number", "model", "started_at", "first_text_at", "waited_ms", "handoff_ms")
    return attempts.values_list(*waits, *_TOKENS, "cost_micro")


@prepared_update
def _has_text(generation_id: UUID, number: int, at: datetime) -> Update:
    return Attempt.objects.filter(generation_id=generation_id, number=number), {"first_text_at": at}
