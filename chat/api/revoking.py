"""A key that is revoked asks for nothing any more, and neither does one whose owner is no longer active. Who decides
that may do so because the key leaked: what was asked with it ends as well, waiting or running, and what was used by
then is all that is paid for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from chat import changes, versions
from chat.access import NotFound
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


class OwnerInactive(Refused):
    code = "owner_inactive"
    message = "The owner of the API key that asked this is no longer active."


@dataclass(frozen=True, slots=True)
class _Asked:
    """What ends together, and what is said of it: generations, and messages that wait behind an answer."""

    answers: Q
    messages: Q
    because: Refused


def revoke_key(key: ApiKey) -> None:
    """Sync, outside of any loop: once and for all. Its answers end within seconds; streams of others' answers that are
    read with it are cut within 5 s."""
    dropped = _write(key)
    # On commit: a request that was let in before may be accepted until then. One that is accepted later sees it.
    transaction.on_commit(lambda: steering.at_once(_end(_by_key(key), dropped)))


async def revoke(key: ApiKey) -> None:
    """The same from a loop."""
    await _end(_by_key(key), await database.call(_write, key))


def person_saved(instance: Any, update_fields: Iterable[str] | None = None, raw: bool = False, **_: Any) -> None:
    """Connected to `post_save` of people: who is no longer active asks with no key. In the transaction that saves it.
    What changes many rows at once sends no signal: for that `key_watch` looks."""
    if instance.is_active or raw or (update_fields is not None and "is_active" not in update_fields):
        return
    asked = _by_person(instance.pk)
    dropped, marked = _end_rows(asked)
    if dropped or marked:
        # Robust: the rows say it, so whoever saves a person does not fail with Redis.
        transaction.on_commit(lambda: steering.at_once(_end(asked, dropped)), robust=True)


async def end_of_person(user_id: int) -> None:
    """All that the keys of somebody who is no longer active asked for."""
    await _end(_by_person(user_id))


async def end_if_withdrawn(key: ApiKey) -> None:
    """After the commit that accepted a request of this key: it was let in, and may have been revoked since, or its
    owner deactivated."""
    withdrawn = ApiKey.objects.filter(Q(revoked_at__isnull=False) | Q(user__is_active=False), pk=key.pk)
    found = await database.call(withdrawn.first)
    if found is not None:
        await (_end(_by_key(key)) if found.revoked_at else end_of_person(key.user_id))


def note_message(key: ApiKey, message_id: int) -> None:
    """In the transaction in which it was sent. The page's own are asked by no key."""
    KeyMessage.objects.get_or_create(message_id=message_id, defaults={"key": key})


def people_to_end() -> set[int]:
    """Those no longer active whose keys' questions still live, one query each for answers and what waits for them."""
    by_keys = Q(api_request__isnull=False) | Q(message__parent__key_message__key__user=F("user"))
    answers = Generation.objects.filter(by_keys, status__in=LIVE, stop_requested_at=None, user__is_active=False)
    waiting = _waiting().filter(key__user__is_active=False)
    return {*answers.values_list("user_id", flat=True), *waiting.values_list("key__user_id", flat=True)}


def anything_lives() -> bool:
    """Of all that keys asked for."""
    by_keys = Q(api_request__isnull=False) | Q(message__parent__key_message__isnull=False)
    return Generation.objects.filter(by_keys, status__in=LIVE).exists() or _waiting().exists()


def _waiting() -> QuerySet[KeyMessage]:
    """From those that wait, which are few, and not from all that keys ever sent."""
    waiting = Message.objects.filter(state=Message.State.PENDING).values("pk")
    return KeyMessage.objects.filter(message__in=waiting)


def _by_key(key: ApiKey) -> _Asked:
    answers = Q(api_request__key=key) | Q(message__parent__key_message__key=key, user=key.user_id)
    return _Asked(answers, Q(key_message__key=key), KeyRevoked())


def _by_person(user_id: int) -> _Asked:
    """With any key; what they asked on the page is not a program's."""
    answers = Q(api_request__user=user_id) | Q(message__parent__key_message__key__user=user_id, user=user_id)
    return _Asked(answers, Q(key_message__key__user=user_id), OwnerInactive())


@transaction.atomic
def _write(key: ApiKey) -> list[AfterEnd]:
    """The row, and the wish on everything that it asked for: whatever happens next, both are kept."""
    ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
    dropped, _ = _end_rows(_by_key(key))
    return dropped


@transaction.atomic
def _end_rows(asked: _Asked) -> tuple[list[AfterEnd], list[str]]:
    """What waits goes with the same commit as the wish: else the end of what runs would give it its turn."""
    dropped = _drop_waiting(asked)
    return dropped, _mark(asked)


async def _end(asked: _Asked, dropped: Iterable[AfterEnd] = ()) -> None:
    """All of it that has not ended; `dropped`: what is still to be told of what has."""
    now_dropped, live = await database.call(_end_rows, asked)
    for after in [*dropped, *now_dropped]:
        await changes.carry_out(after)
    await changes.stop(live)


def _mark(asked: _Asked) -> list[str]:
    live = list(Generation.objects.filter(asked.answers, status__in=LIVE).values_list("pk", flat=True))
    streaming.withdraw(live, asked.because, running=True)
    return [str(pk) for pk in live]


def _drop_waiting(asked: _Asked) -> list[AfterEnd]:
    waiting = Message.objects.filter(asked.messages, state=Message.State.PENDING)
    dropped: list[AfterEnd] = []
    for message_id in list(waiting.values_list("pk", flat=True)):
        with contextlib.suppress(NotFound):  # its conversation was deleted: then it waits no longer
            dropped += versions.withdraw_message(message_id)
    return dropped
