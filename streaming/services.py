"""The engine's front door: what a host may ask of it. Sync functions run inside the caller's transaction."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from redis import RedisError

from streaming import budgets, conf, database, dispatcher, fanout, lifecycle, providers, redis_client
from streaming.errors import Refused
from streaming.events import encode
from streaming.lifecycle import End
from streaming.models import Generation
from streaming.prepared import prepared
from streaming.replay_log import ReplayLog
from streaming.states import LIVE, Status


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A line of the model picker; `unavailable` says why it cannot be chosen."""

    alias: str
    label: str
    unavailable: str | None


def model_choices() -> list[ModelChoice]:
    return [ModelChoice(entry.alias, entry.label, entry.unavailable) for entry in providers.catalogue()]


def default_model() -> str:
    """The first model that can be used. Raises Refused if the site has none."""
    for choice in model_choices():
        if choice.unavailable is None:
            return choice.alias
    raise Refused("This site offers no model: no provider key is set.", code="model_unavailable")


def check_model(alias: str) -> None:
    """Raises Refused (unknown_model, naming the known ones; or model_unavailable, saying why)."""
    providers.find(alias)


def request_generation(*, user_id: int, model: str, accepted_before: bool = False) -> Generation:
    """Accept a request: a row in state QUEUED. `dispatch` it once the transaction is committed. Raises Refused.

    `accepted_before`: the host accepted it earlier (it waited for another answer); now nothing may refuse it.
    """
    settings = conf.get()
    held = None
    if not accepted_before:
        entry = providers.find(model)
        _check_live(user_id)
        held = budgets.reserve(user_id, budgets.most(0, entry.max_tokens))
    now = timezone.now()
    row = Generation.objects.create(
        user_id=user_id,
        model=model,
        wake_at=now + timedelta(seconds=settings.wake_again_s),
        deadline_at=now + timedelta(seconds=settings.queue_deadline_s),
    )
    budgets.keep(held, row.pk)
    return row


def _check_live(user_id: int) -> None:
    live = len(_live(user_id))
    if live >= conf.get().live_generations_per_user_max:
        raise Refused(
            f"You already have {live} answers running or waiting. Try again when one of them has ended.",
            code="too_many",
            retryable=True,
        )


@prepared
def _live(user_id: int) -> QuerySet[Generation, UUID]:
    return Generation.objects.filter(user_id=user_id, status__in=LIVE).values_list("pk", flat=True)


async def dispatch(generation_id: str) -> bool:
    """Wake a worker, within 2 s. Never raises; False: the queue is away and the row will be found when it is back."""
    return await dispatcher.enqueue(generation_id)


async def request_stop(generation_id: str) -> str:
    """Ask for the end of a generation; returns the status found. The row comes first, so the wish survives anything; a
    waiting one ends here and now, a running one when its worker hears of it."""
    status = await database.call(lifecycle.request_stop, generation_id)
    if status == Status.QUEUED:
        end = await database.call(lifecycle.end_queued, generation_id, Status.STOPPED)
        if end is not None:
            await announce(end)
            return str(Status.STOPPED)
        await dispatcher.enqueue(generation_id)  # it has text of an earlier attempt: a worker ends it with all of that
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
    for group, frame in end.after.broadcasts:
        await fanout.broadcast(group, frame)
    for generation_id in end.after.start:
        await dispatcher.enqueue(generation_id)
