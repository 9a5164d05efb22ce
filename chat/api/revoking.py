"""A key that is revoked asks for nothing any more. Who revokes one may do so because it leaked: what it asked for ends
as well, waiting or running, and what was used by then is all that is paid for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from chat import changes, versions
from chat.api.models import ApiKey, KeyMessage
from chat.models import Message
from streaming import database, steering
from streaming import services as streaming
from streaming.errors import Refused
from streaming.hooks import AfterEnd
from streaming.models import Generation
from streaming.states import LIVE


class KeyRevoked(Refused):
    code = "key_revoked"
    message = "The API key that asked this was revoked."


def revoke_key(key: ApiKey) -> None:
    """Sync, outside of any loop: once and for all. Its answers end within seconds; streams of others' answers that are
    read with it are cut within 5 s."""
    dropped = _write(key)
    # On commit: a request that was let in before may be accepted until then. One that is accepted later sees it.
    transaction.on_commit(lambda: steering.at_once(end(key, dropped)))


async def revoke(key: ApiKey) -> None:
    """The same from a loop."""
    await end(key, await database.call(_write, key))


@transaction.atomic
def _write(key: ApiKey) -> list[AfterEnd]:
    """The row, and the wish on everything that it asked for: whatever happens next, both are kept. What waits goes with
    the same commit: else the end of what runs would give it its turn."""
    ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
    dropped = _drop_waiting(key)
    _mark(key)
    return dropped


async def end_if_revoked(key: ApiKey) -> None:
    """After the commit that accepted a request of this key: it was let in, and may have been revoked since."""
    if await database.call(ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=False).exists):
        await end(key)


async def end(key: ApiKey, dropped: Iterable[AfterEnd] = ()) -> None:
    """All that this key asked for and that has not ended; `dropped`: what is still to be told of what has."""
    for after in [*dropped, *await database.call(_drop_waiting, key)]:
        await changes.carry_out(after)
    await changes.stop(await database.call(_mark, key))


def note_message(key: ApiKey, message_id: int) -> None:
    """In the transaction in which it was sent. The page's own are asked by no key."""
    KeyMessage.objects.get_or_create(message_id=message_id, defaults={"key": key})


def _mark(key: ApiKey) -> list[str]:
    asked = Q(api_request__key=key) | Q(message__parent__key_message__key=key, user=key.user_id)
    live = list(Generation.objects.filter(asked, status__in=LIVE).values_list("pk", flat=True))
    streaming.withdraw(live, KeyRevoked(), running=True)
    return [str(pk) for pk in live]


def _drop_waiting(key: ApiKey) -> list[AfterEnd]:
    waiting = Message.objects.filter(key_message__key=key, state=Message.State.PENDING)
    dropped: list[AfterEnd] = []
    for message_id in list(waiting.values_list("pk", flat=True)):
        with contextlib.suppress(Refused):  # its turn came, or it is not theirs any more: then it waits no longer
            dropped.append(versions.cancel_message(key.user, message_id))
    return dropped
