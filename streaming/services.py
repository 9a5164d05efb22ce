"""The engine's front door: what a host may ask of it. Sync functions run inside the caller's transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone
from redis import RedisError

from streaming import (
    admission,
    budgets,
    conf,
    database,
    dispatcher,
    estimates,
    fanout,
    lane_tickets,
    lanes,
    lifecycle,
    load,
    metrics,
    providers,
    redis_client,
    routing,
    wake_ups,
)
from streaming.errors import Refused, Sentence, StreamingError
from streaming.events import encode
from streaming.lifecycle import End
from streaming.models import Attempt, Generation, TokenReservation
from streaming.prepared import insert, prepared
from streaming.providers.base import ModelEntry
from streaming.replay_log import ReplayLog
from streaming.states import LIVE, TERMINAL, Status

TOO_MANY_LIVE: Final = "You already have %(count)s answers running or waiting. Try again when one of them has ended."


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A line of the model picker; `unavailable` says why it cannot be chosen."""

    alias: str
    label: str
    unavailable: str | None


def model_choices() -> list[ModelChoice]:
    auto = [ModelChoice(routing.ALIAS, routing.LABEL, None)] if routing.is_offered() else []
    return [*auto, *(ModelChoice(entry.alias, entry.label, entry.unavailable) for entry in providers.catalogue())]


def default_model() -> str:
    """The first model that can be used. Raises Refused if the site has none."""
    for choice in model_choices():
        if choice.unavailable is None:
            return choice.alias
    raise Refused("This site offers no model: no provider key is set.", code="model_unavailable")


def check_model(alias: str) -> None:
    """Raises Refused (unknown_model, naming the known ones; or model_unavailable, saying why)."""
    providers.find(alias)


def check_parameters(alias: str, names: Iterable[str]) -> str | None:
    """The first of these fields of `prompt.Sampling` that the model does not take; None: it takes all. Raises
    Refused."""
    taken = providers.parameters(providers.find(alias))
    return next((name for name in names if name not in taken), None)


def choose_model(alias: str | None, text: str, earlier: Callable[[], int]) -> str:
    """The model that is to answer a question; people asked for `alias`, which may be "auto", or for none. `earlier`
    tells how many messages its conversation has. Raises Refused as `check_model` does."""
    wanted = alias or default_model()
    if is_by_question(wanted):
        return routing.choose(routing.Question(text, earlier()))
    check_model(wanted)
    return wanted


def is_by_question(alias: str) -> bool:
    """Whether it is no model, but one is chosen for each question: then `choose_model` may read the database."""
    return alias == routing.ALIAS and routing.is_offered()


def request_generation(
    *,
    user_id: int,
    model: str,
    accepted_before: bool = False,
    input_estimate: int | None = None,
    max_tokens: int | None = None,
) -> Generation:
    """Accept a request: a row in state QUEUED. `dispatch` it once the transaction is committed. Raises Refused.

    `accepted_before`: the host accepted it earlier (it waited for another answer); now nothing may refuse it.
    `input_estimate`: tokens of its prompt, as far as the host can tell. `max_tokens`: of its answer, if it asks for
    less than the model may write.
    """
    settings = conf.get()
    held = None
    if not accepted_before:
        held = _admit(user_id, providers.find(model), input_estimate or 0, max_tokens)
    now = timezone.now()
    row = Generation(
        user_id=user_id,
        model=model,
        wake_at=now + timedelta(seconds=settings.wake_again_s),
        deadline_at=now + timedelta(seconds=settings.queue_deadline_s),
        **_lane_columns(model, input_estimate),
    )
    insert(row)
    budgets.keep(held, row.pk)
    lane_tickets.remember(row)
    return row


def _admit(user_id: int, entry: ModelEntry, input_estimate: int, max_tokens: int | None) -> TokenReservation | None:
    try:
        _check_live(user_id)
        return budgets.reserve(user_id, lambda: budgets.most_of(entry, input_estimate, max_tokens))
    except Refused as refused:
        metrics.shed(refused.code)
        raise


def _lane_columns(model: str, input_estimate: int | None) -> dict[str, Any]:
    try:
        entry = providers.find(model)
    except Refused:  # withdrawn since it was asked for: a worker says so
        return {}
    guess = estimates.estimate(entry, input_estimate)
    return {
        "lane": lanes.of(entry),
        "input_estimate": guess.input_tokens,
        "output_estimate": guess.output_tokens,
        "lane_cost": guess.cost,
    }


async def check_wait(user_id: int, model: str) -> None:
    """Would a new question of this person be answered in time? Before its transaction; costs nothing where nobody
    waits. Raises Refused: unknown_model, model_unavailable, lane_blocked, queue_full (the person's own waiting
    questions), lane_full (everybody's) or wait_too_long, which names the waits of the other models."""
    refusal = await admission.refusal(user_id, providers.find(model))
    if refusal is not None:
        metrics.shed(refusal.code)
        load.tell_soon()
        raise refusal


def answer_costs(generation_ids: Iterable[UUID]) -> dict[UUID, int]:
    """What answers cost over all their attempts, in millionths of a US dollar. One of which a part has no known price
    is left out: unknown is not nothing."""
    asked = Attempt.objects.filter(generation_id__in=list(generation_ids)).exclude(usage_source="")
    unknown = Count("pk", filter=Q(cost_micro__isnull=True))
    rows = asked.order_by().values("generation_id").annotate(cost=Sum("cost_micro"), unknown=unknown)
    return {row["generation_id"]: row["cost"] for row in rows if not row["unknown"]}


def unheld(user_id: int, waiting: Iterable[tuple[str, int]]) -> tuple[int, int]:
    """Tokens and millionths of a US dollar that accepted questions of this person will hold of budgets when they are
    asked, and do not yet; `waiting`: model and input's estimate of those that the host keeps back."""
    return budgets.unheld(user_id, waiting)


def _check_live(user_id: int) -> None:
    live = len(_live(user_id))
    if live >= conf.get().live_generations_per_user_max:
        raise Refused(
            [Sentence(TOO_MANY_LIVE, {"count": live})],
            code="too_many",
            retryable=True,
        )


@prepared
def _live(user_id: int) -> QuerySet[Generation, UUID]:
    return Generation.objects.filter(user_id=user_id, status__in=LIVE).values_list("pk", flat=True)


def preload() -> None:
    """What the first `dispatch` of a process would else have to find out; takes a tenth of a second."""
    wake_ups.preload()


async def dispatch(generation_id: str) -> bool:
    """Wake a worker, within 2 s. Never raises; False: the queue is away and the row will be found when it is back."""
    return await dispatcher.enqueue(generation_id)


def mark_stopped(generation_ids: Iterable[str]) -> None:
    """Write to the rows that these are to end, in the caller's transaction: from its commit on no worker begins them.
    `request_stop` tells those that run already."""
    for generation_id in generation_ids:
        lifecycle.request_stop(generation_id)


def withdraw(generation_ids: Iterable[UUID], because: StreamingError, *, running: bool = False) -> list[str]:
    """Those of them for which nothing came yet (`running`: all that live) are to end, and to say why; also in the
    caller's transaction. Returns them: `request_stop` ends each at once, after the commit."""
    return lifecycle.withdraw(generation_ids, because, running=running)


def forget_texts(generation_ids: Iterable[UUID]) -> None:
    """What was answered is gone for good; who asked which model, and what that cost, stays for the ledger."""
    ended = Generation.objects.filter(pk__in=list(generation_ids), status__in=TERMINAL)
    ended.update(text="", blocks="", sha256="", text_bytes=0)


async def request_stop(generation_id: str) -> str:
    """Ask for the end of a generation; returns the status found. The row comes first, so the wish survives anything; a
    waiting one ends here and now, a running one when its worker hears of it."""
    status = await database.call(lifecycle.request_stop, generation_id)
    if status == Status.QUEUED:
        end = await database.call(lifecycle.end_queued, generation_id, Status.STOPPED)
        if end is not None:
            await asyncio.gather(announce(end), dispatcher.cancel(generation_id))
            return str(Status.STOPPED)
        await dispatcher.end(generation_id)  # it has text of an earlier attempt: a worker ends it with all of that
    if status in LIVE:
        with contextlib.suppress(RedisError, OSError, TimeoutError):  # the worker reads the row as well
            await ReplayLog(redis_client.get()).request_stop(generation_id)
    return status


async def announce(end: End) -> None:
    """Tell viewers of an end that no worker wrote, and do what the host wants done after it."""
    group = fanout.stream_group(end.event.generation)
    await fanout.announce(group, end.event.position, encode(end.event))
    await after_end(end)


async def after_end(end: End) -> None:
    await asyncio.gather(*(fanout.broadcast(group, frame) for group, frame in end.after.broadcasts))
    for generation_id in end.after.start:
        await dispatcher.enqueue(generation_id)


def keep_blocks(generation_id: str, text: str, blocks: str) -> None:
    """Blocks of a finished answer that were rendered later, if its text is still this one."""
    ended = Generation.objects.filter(pk=generation_id, status__in=TERMINAL, text=text)
    ended.update(blocks=blocks)
