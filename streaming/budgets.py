"""What people may use, alone and together: tokens and cost per day and month (UTC). Held before anything is asked,
booked once at the end.

A request holds the most that it can use, so nobody who asks many things at once gets more than the budget, and a
running answer needs no cut of its own: `max_tokens`, the request's or the model's, is what was held for it. What has
no known price holds no money. All functions run inside the caller's transaction. Locks are taken in one order: the
conversation's, then the person's day and month, then the site's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from streaming import ledger, prices, providers
from streaming.budget_limits import Limit, Share, limits_of, periods
from streaming.budget_refusals import refusal
from streaming.errors import Refused
from streaming.models import Attempt, Generation, SiteSpend, TokenReservation, TokenSpend
from streaming.prepared import Update, prepared, prepared_update
from streaming.prompt import Prompt
from streaming.providers.base import ModelEntry
from streaming.states import Status
from streaming.tokens import estimate_tokens

INPUT_MARGIN: Final = 1.5
"""Over the estimate of `tokens.py`, which errs by about a quarter, for CJK by a third."""


class Amount(NamedTuple):
    tokens: int
    micro: int = 0


def most(input_estimate: int, max_tokens: int) -> int:
    """The most tokens that one attempt can use."""
    return round(input_estimate * INPUT_MARGIN) + max_tokens


def most_of(entry: ModelEntry, input_estimate: int, max_tokens: int | None = None) -> Amount:
    """The same with its cost. `max_tokens`: the most that this request asks for; providers are told the smaller one."""
    read = round(input_estimate * INPUT_MARGIN)
    written = entry.max_tokens if max_tokens is None else min(entry.max_tokens, max_tokens)
    return Amount(read + written, prices.most(entry, read, written, timezone.now()))


def reserve(
    user_id: int, amount: Amount | Callable[[], Amount], *, known_as: UUID | None = None
) -> TokenReservation | None:
    """Hold what a new request can use; None: nobody limits this person. Raises Refused (`budget_spent`,
    `site_budget_spent`). `keep` it."""
    limits = limits_of(user_id, timezone.now())
    if not limits:
        return None
    held = amount if isinstance(amount, Amount) else amount()
    _take(limits, held, known_as)
    in_site = any(limit.user_id is None for limit in limits)
    return TokenReservation(user_id=user_id, day=limits[0].key, tokens=held.tokens, micro=held.micro, in_site=in_site)


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
    try:
        _hold_in_all(row, lambda: _needed(row, entry, prompt))
    except Refused as refused:
        return refused
    return None


def unheld(user_id: int, waiting: Iterable[tuple[str, int]]) -> Amount:
    """What questions of this person will hold at their first claim that were accepted without it: those that wait for
    their models, and `waiting` (model and input's estimate), which wait for their turn."""
    queued = Generation.objects.filter(user_id=user_id, status=Status.QUEUED, attempt=0, reservation=None)
    tokens = micro = 0
    for model, estimate in [*queued.values_list("model", "input_estimate"), *waiting]:
        try:
            one = most_of(providers.find(model), estimate or 0)
        except Refused:
            continue  # nothing will be asked
        tokens, micro = tokens + one.tokens, micro + one.micro
    return Amount(tokens, micro)


def _needed(row: Generation, entry: ModelEntry, prompt: Prompt) -> Amount:
    """By earlier attempts and the next one."""
    next_one = most_of(entry, estimate_tokens(*prompt.texts, row.text), prompt.max_tokens)
    before = _used(row.pk) if row.attempt else Amount(0)
    return Amount(before.tokens + next_one.tokens, before.micro + next_one.micro)


def _hold_in_all(row: Generation, needed: Callable[[], Amount]) -> None:
    held = _reservation(row.pk)
    if not held:
        return keep(reserve(row.user_id, needed, known_as=row.pk), row.pk)
    whole = needed()
    missing = Amount(max(0, whole.tokens - held[0].tokens), max(0, whole.micro - held[0].micro))
    if any(missing):
        _take(_limits_then(row.user_id, held[0]), missing)
        more = {"tokens": F("tokens") + missing.tokens, "micro": F("micro") + missing.micro}
        TokenReservation.objects.filter(pk=row.pk).update(**more)


def _limits_then(user_id: int, held: TokenReservation) -> list[Limit]:
    """Of the day on which it was asked, and of exactly those rows in which it is held: settings may have changed."""
    day = datetime.strptime(held.day, "%Y-%m-%d").replace(tzinfo=UTC)
    known = {(limit.user_id, limit.key): limit for limit in limits_of(user_id, day)}
    free = periods(user_id, day, [None] * 4) + (periods(None, day, [None] * 4) if held.in_site else [])
    return [known.get((limit.user_id, limit.key), limit) for limit in free]


def settle(generation_id: UUID) -> None:
    """Give back what was held and book what all attempts used; once, however often it is called."""
    for held in _reservation(generation_id):
        given_back, _ = TokenReservation.objects.filter(pk=generation_id).delete()
        if given_back:
            used = _used(generation_id)
            for period in (held.day, held.day[:7]):
                _book(held.user_id, period, held.tokens, used.tokens, held.micro, used.micro)
            for period in (held.day, held.day[:7]) if held.in_site else ():
                _book_site(period, held.tokens, used.tokens, held.micro, used.micro)


def _take(limits: list[Limit], amount: Amount, known_as: UUID | None = None) -> None:
    with transaction.atomic():
        for limit in limits:
            if not _hold_for(limit, amount):
                _open(limit, known_as)
                if not _hold_for(limit, amount):
                    raise _refusal(limit, amount)


def _hold_for(limit: Limit, amount: Amount) -> int:
    room = (limit.tokens - amount.tokens, limit.micro - amount.micro)
    if limit.user_id is None:
        return _hold_site(limit.key, amount.tokens, room[0], amount.micro, room[1])
    return _hold(limit.user_id, limit.key, amount.tokens, room[0], amount.micro, room[1])


def _open(limit: Limit, known_as: UUID | None) -> None:
    """The period's row. What was used before anybody limited it counts as well."""
    start = datetime.strptime(limit.key + "-01" * (len(limit.key) == 7), "%Y-%m-%d").replace(tzinfo=UTC)
    before = Attempt.objects.filter(ended_at__gte=start)
    rows: QuerySet[Any] = SiteSpend.objects.filter(period=limit.key)
    if limit.user_id is not None:
        before = before.filter(user_id=limit.user_id)
        rows = TokenSpend.objects.filter(user_id=limit.user_id, period=limit.key)
    if rows.exists():
        return
    if known_as is not None:  # its earlier attempts are booked with it
        before = before.exclude(generation_id=known_as)
    tokens = Coalesce("input_tokens", 0) + Coalesce("output_tokens", 0)
    sums = before.aggregate(used=Sum(tokens), used_micro=Sum("cost_micro"))
    spent = {name: value or 0 for name, value in sums.items()}
    if limit.user_id is None:
        SiteSpend.objects.bulk_create([SiteSpend(period=limit.key, **spent)], ignore_conflicts=True)
    else:
        row = TokenSpend(user_id=limit.user_id, period=limit.key, **spent)
        TokenSpend.objects.bulk_create([row], ignore_conflicts=True)


def _refusal(limit: Limit, amount: Amount) -> Refused:
    if limit.user_id is None:
        row: Any = SiteSpend.objects.get(period=limit.key)
    else:
        row = TokenSpend.objects.get(user_id=limit.user_id, period=limit.key)
    tokens = Share(limit, "tokens", limit.tokens, row.used, row.reserved)
    if amount.tokens > tokens.left:
        return refusal(tokens, amount.tokens)
    return refusal(Share(limit, "micro", limit.micro, row.used_micro, row.reserved_micro), amount.micro)


def _used(generation_id: UUID) -> Amount:
    """By all attempts so far, as the ledger says; what nobody counted costs nobody anything."""
    entries = ledger.entries_of(str(generation_id))
    used = ledger.total(entries)
    tokens = (used.get("input_tokens") or 0) + (used.get("output_tokens") or 0)
    return Amount(tokens, sum(entry.cost_micro or 0 for entry in entries))


@prepared
def _reservation(generation_id: UUID) -> QuerySet[TokenReservation]:
    return TokenReservation.objects.filter(generation_id=generation_id)


@prepared_update
def _hold(user_id: int, period: str, tokens: int, room: int, micro: int, room_micro: int) -> Update:
    """Only if all that is held and used stays within the limits: `room` is the limit without `tokens`."""
    within = {"reserved__lte": room - F("used"), "reserved_micro__lte": room_micro - F("used_micro")}
    spend = TokenSpend.objects.filter(user_id=user_id, period=period, **within)
    return spend, {"reserved": F("reserved") + tokens, "reserved_micro": F("reserved_micro") + micro}


@prepared_update
def _hold_site(period: str, tokens: int, room: int, micro: int, room_micro: int) -> Update:
    within = {"reserved__lte": room - F("used"), "reserved_micro__lte": room_micro - F("used_micro")}
    spend = SiteSpend.objects.filter(period=period, **within)
    return spend, {"reserved": F("reserved") + tokens, "reserved_micro": F("reserved_micro") + micro}


@prepared_update
def _book(user_id: int, period: str, held: int, used: int, held_micro: int, used_micro: int) -> Update:
    return TokenSpend.objects.filter(user_id=user_id, period=period), {
        "reserved": F("reserved") - held,
        "used": F("used") + used,
        "reserved_micro": F("reserved_micro") - held_micro,
        "used_micro": F("used_micro") + used_micro,
    }


@prepared_update
def _book_site(period: str, held: int, used: int, held_micro: int, used_micro: int) -> Update:
    return SiteSpend.objects.filter(period=period), {
        "reserved": F("reserved") - held,
        "used": F("used") + used,
        "reserved_micro": F("reserved_micro") - held_micro,
        "used_micro": F("used_micro") + used_micro,
    }
