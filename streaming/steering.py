"""What administrators do to answers, lanes and workers that run. Sync, and within seconds; who may do it, and the audit
trail, are the caller's affair. The row comes first in everything, so what is ordered survives any loss."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Final, Literal

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet
from django.utils import timezone
from redis import RedisError
from redis.asyncio import Redis

from streaming import lane_settings, redis_client, services, worker_orders
from streaming.errors import StreamingError
from streaming.models import Generation, Lane
from streaming.states import TERMINAL

STOP_TIMEOUT_S: Final = 20.0
AT_ONCE: Final = 8


class NotReached(StreamingError):
    code = "not_reached"
    message = "Redis cannot be reached just now, so nothing was ordered. Try again."
    retryable = True


def stop(answers: QuerySet[Generation]) -> tuple[int, int]:
    """Ask for the end of all of them; returns how many there were, and how many of them could be told at once. The
    others read it in their rows: running ones within seconds, waiting ones when their turn comes."""
    live = answers.exclude(status__in=TERMINAL)
    ids = [str(pk) for pk in live.order_by("-status", "requested_at").values_list("pk", flat=True)]
    live.filter(stop_requested_at__isnull=True).update(stop_requested_at=timezone.now())
    return len(ids), redis_client.ask(lambda _: _tell(ids), STOP_TIMEOUT_S + 1) if ids else 0


async def _tell(ids: Sequence[str]) -> int:
    left, told = iter(ids), 0

    async def tell_some() -> None:
        nonlocal told
        for generation_id in left:
            with contextlib.suppress(ObjectDoesNotExist):  # deleted meanwhile
                await services.request_stop(generation_id)
            told += 1

    try:
        async with asyncio.timeout(STOP_TIMEOUT_S), asyncio.TaskGroup() as tellers:
            for _ in range(AT_ONCE):
                tellers.create_task(tell_some())
    except TimeoutError:
        pass
    return told


def at_once(work: Awaitable[object]) -> None:
    """What follows a change that is committed: telling those who watch, and starting what may start."""

    async def carry_out() -> None:
        await work

    redis_client.ask(lambda _: carry_out(), STOP_TIMEOUT_S)


def hold(lane: str, kind: Literal["pause", "drain"], reason: str, until: datetime | None = None) -> None:
    """Write the order down; `apply_order` brings it into force once that is committed."""
    Lane.objects.filter(pk=lane).update(held=kind, held_reason=reason[:300], held_until=until)


def release(lane: str) -> None:
    """Withdraw the order; `apply_order` also ends what a provider's refusal closed."""
    Lane.objects.filter(pk=lane).update(held="", held_reason="", held_until=None)


def apply_order(lane: str, *, reopen: bool = False) -> bool:
    """As the row says it now; without an order nothing blocks it any more, and with `reopen` it does not wait either
    until the provider wants to be asked again. Never raises; False: the pacer brings the order into force within a
    second of Redis' return, and what a provider's refusal closed stays closed."""
    order = Lane.objects.get(pk=lane).hold()

    async def apply() -> bool:
        if order is not None:
            return await lane_settings.hold(lane, order)
        return await lane_settings.release(lane) and await lane_settings.unblock(lane, reopen=reopen)

    if not redis_client.ask(lambda _: apply(), 2 * lane_settings.APPLY_TIMEOUT_S + 1):
        return False
    if order is None:
        Lane.objects.filter(pk=lane).update(blocked_reason="")
    return True


def order_worker(worker_id: str, order: worker_orders.Order) -> None:
    """Raises NotReached."""

    async def give(client: Redis) -> None:
        await worker_orders.give(client, worker_id, order)

    try:
        redis_client.ask(give)
    except (RedisError, OSError) as away:
        raise NotReached from away
