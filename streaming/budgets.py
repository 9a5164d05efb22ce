"""What people may use: tokens per day and month (UTC). Reserved before anything is asked, booked once at the end.

A request holds the most that it can use, so nobody who asks many things at once gets more than the budget, and a
running answer needs no cut of its own: the model's `max_tokens` is what was held for it. All functions run inside the
caller's transaction. Locks are taken in one order: the conversation's, then the day's, then the month's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from streaming import conf, ledger, providers
from streaming.errors import Refused
from streaming.models import Attempt, Generation, TokenBudget, TokenReservation, TokenSpend
from streaming.prepared import Update, prepared, prepared_update
from streaming.prompt import Prompt
from streaming.tokens import estimate_tokens

INPUT_MARGIN: Final = 1.5
"""Over the estimate of `tokens.py`, which errs by about a quarter, for CJK by a third."""
_ENDLESS: Final = 2**62


@dataclass(frozen=True, slots=True)
class Limit:
    """`key` is the period's name in the rows: "2026-11-21" or "2026-11"."""

    key: str
    tokens: int
    words: str
    ends_at: datetime


def most(input_estimate: int, max_tokens: int) -> int:
    """The most that one attempt can use."""
    return round(input_estimate * INPUT_MARGIN) + max_tokens


def reserve(user_id: int, tokens: int, *, known_as: UUID | None = None) -> TokenReservation | None:
    """Hold `tokens` for a new request; None: this person has no limit. Raises Refused (`budget_spent`). `keep` it."""
    now = timezone.now()
    limits = _limits(user_id, now)
    if not limits:
        return None
    _take(user_id, limits, tokens, known_as)
    return TokenReservation(user_id=user_id, day=limits[0].key, tokens=tokens)


def keep(reservation: TokenReservation | None, generation_id: UUID) -> None:
    if reservation is not None:
        reservation.generation_id = generation_id
        reservation.save(force_insert=True)


def cover(row: Generation, prompt: Prompt) -> Refused | None:
    """Before an attempt, when its prompt is known: hold what it can use on top of what earlier ones used. Only now a
    question that had waited behind another answer is held for at all. Returns the refusal, if it is one."""
    try:
        entry = providers.find(row.model)
    except Refused:
        return None  # nothing will be asked, and the run says why
    read = estimate_tokens(*prompt.texts, row.text)
    try:
        _hold_in_all(row, most(read, entry.max_tokens) + (_used(row.pk) if row.attempt else 0))
    except Refused as refused:
        return refused
    return None


def _hold_in_all(row: Generation, tokens: int) -> None:
    held = _reservation(row.pk)
    if not held:
        return keep(reserve(row.user_id, tokens, known_as=row.pk), row.pk)
    missing = tokens - held[0].tokens
    if missing > 0:
        day = datetime.strptime(held[0].day, "%Y-%m-%d").replace(tzinfo=UTC)
        _take(row.user_id, _limits(row.user_id, day) or _periods(day, _ENDLESS, _ENDLESS), missing)
        TokenReservation.objects.filter(pk=row.pk).update(tokens=F("tokens") + missing)
    return None


def settle(generation_id: UUID) -> None:
    """Give back what was held and book what all attempts used; once, however often it is called."""
    for held in _reservation(generation_id):
        given_back, _ = TokenReservation.objects.filter(pk=generation_id).delete()
        if given_back:
            used = _used(generation_id)
            for period in (held.day, held.day[:7]):
                _book(held.user_id, period, held.tokens, used)


def _limits(user_id: int, at: datetime) -> list[Limit]:
    """The limits of day and month; empty: this person has none. If one is limited, the other is counted as well."""
    settings, own = conf.get(), _own(user_id)
    per_day, per_month = own[0] if own else (None, None)
    day = settings.user_tokens_per_day if per_day is None else per_day
    month = settings.user_tokens_per_month if per_month is None else per_month
    return _periods(at, day or _ENDLESS, month or _ENDLESS) if day or month else []


def _periods(at: datetime, per_day: int, per_month: int) -> list[Limit]:
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    next_month = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return [
        Limit(f"{day:%Y-%m-%d}", per_day, "today", day + timedelta(days=1)),
        Limit(f"{day:%Y-%m}", per_month, "this month", next_month),
    ]


def _take(user_id: int, limits: list[Limit], tokens: int, known_as: UUID | None = None) -> None:
    with transaction.atomic():
        for limit in limits:
            room = limit.tokens - tokens
            if not _hold(user_id, limit.key, tokens, room):
                _open(user_id, limit, known_as)
                if not _hold(user_id, limit.key, tokens, room):
                    raise _refusal(user_id, limit, tokens)


def _open(user_id: int, limit: Limit, known_as: UUID | None) -> None:
    """The period's row. What was used before anybody limited it counts as well."""
    if TokenSpend.objects.filter(user_id=user_id, period=limit.key).exists():
        return
    start = datetime.strptime(limit.key + "-01" * (len(limit.key) == 7), "%Y-%m-%d").replace(tzinfo=UTC)
    before = Attempt.objects.filter(generation__user_id=user_id, generation__requested_at__gte=start)
    if known_as is not None:  # its earlier attempts are booked with it
        before = before.exclude(generation_id=known_as)
    tokens = Coalesce("input_tokens", 0) + Coalesce("output_tokens", 0)
    used = before.aggregate(used=Sum(tokens))["used"] or 0
    TokenSpend.objects.bulk_create([TokenSpend(user_id=user_id, period=limit.key, used=used)], ignore_conflicts=True)


def _refusal(user_id: int, limit: Limit, tokens: int) -> Refused:
    if tokens > limit.tokens:
        sentence = f"This question may use up to {tokens:,} tokens, but your whole budget for {limit.words} is"
        return Refused(f"{sentence} {limit.tokens:,}. Ask something shorter or another model.", code="budget_spent")
    spend = TokenSpend.objects.get(user_id=user_id, period=limit.key)
    left = max(0, limit.tokens - spend.used - spend.reserved)
    held = f" ({spend.reserved:,} are held for answers that have not ended)" if spend.reserved else ""
    wait = max(timedelta(seconds=1), limit.ends_at - timezone.now())
    return Refused(
        f"Of your {limit.tokens:,} tokens for {limit.words}, {left:,} are left{held}, and this question may use up to "
        f"{tokens:,}. You get new ones on {limit.ends_at:%-d %B} at 00:00 UTC, in {_span(wait)}.",
        code="budget_spent",
        retryable=True,
        retry_after_s=wait.total_seconds(),
    )


def _span(wait: timedelta) -> str:
    minutes = -(-int(wait.total_seconds()) // 60)
    if wait >= timedelta(days=2):
        return f"{wait.days} days"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _used(generation_id: UUID) -> int:
    """By all attempts so far, as the ledger says; what nobody counted costs nobody anything."""
    used = ledger.total(ledger.entries_of(str(generation_id)))
    return (used.get("input_tokens") or 0) + (used.get("output_tokens") or 0)


@prepared
def _own(user_id: int) -> QuerySet[TokenBudget, tuple[int | None, int | None]]:
    return TokenBudget.objects.filter(user_id=user_id).values_list("tokens_per_day", "tokens_per_month")


@prepared
def _reservation(generation_id: UUID) -> QuerySet[TokenReservation]:
    return TokenReservation.objects.filter(generation_id=generation_id)


@prepared_update
def _hold(user_id: int, period: str, tokens: int, room: int) -> Update:
    """Only if all that is held and used stays within the limit: `room` is the limit without `tokens`."""
    spend = TokenSpend.objects.filter(user_id=user_id, period=period, reserved__lte=room - F("used"))
    return spend, {"reserved": F("reserved") + tokens}


@prepared_update
def _book(user_id: int, period: str, held: int, used: int) -> Update:
    spend = TokenSpend.objects.filter(user_id=user_id, period=period)
    return spend, {"reserved": F("reserved") - held, "used": F("used") + used}
