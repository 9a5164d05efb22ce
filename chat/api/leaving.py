"""A program that goes away from its answer. Who did not ask for it to go on pays for no text that nobody reads.

It is stopped after a while, unless somebody came back for it: the row says so, whichever web process that was. A web
process that ends meanwhile stops nothing; the answer then runs to its end.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from chat import sockets
from chat.api import conf
from chat.api.models import ApiRequest
from streaming import database
from streaming import services as streaming
from streaming.states import LIVE

log = logging.getLogger(__name__)


def leave(generation_id: str) -> None:
    sockets.get().in_background(_stop_later(generation_id))


async def _stop_later(generation_id: str) -> None:
    left_at = timezone.now()
    rows = ApiRequest.objects.filter(generation=UUID(generation_id), in_background=False)
    try:
        await database.call(_note, rows, left_at)
        await asyncio.sleep(conf.get().grace_s)
        if await database.call(rows.filter(left_at=left_at).exists):
            await streaming.request_stop(generation_id)
    except (DatabaseError, OSError) as error:
        log.warning("%s goes on without its program: %r", generation_id, error)


def _note(rows: QuerySet[ApiRequest], left_at: datetime) -> None:
    with transaction.atomic():
        rows.update(readers=F("readers") - 1)
        rows.filter(readers__lte=0, generation__status__in=LIVE).update(left_at=left_at)


def came_back(generation_id: str) -> None:
    """Sync. Somebody reads it again: from now on it is like one that runs in the background."""
    ApiRequest.objects.filter(generation=UUID(generation_id)).update(left_at=None, in_background=True)
