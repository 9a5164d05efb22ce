"""Commands that make something, by the name that a person's client gave them: sent again, after a lost connection or a
lost answer, they make nothing more and are answered like the first time. Under the lock of their conversation."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.models import ClientCommand
from streaming.errors import Refused

#: Clients send a command again when they are back: after a night, or a journey. Later it would surprise everybody.
KEPT_FOR: Final = timedelta(days=30)
PURGE_BATCH: Final = 500
_ELSEWHERE: Final = "This was ordered for another message already."


def find(user_id: int, name: str | None, about: int) -> ClientCommand | None:
    """What the same command made before; `about`: the message that it is about. Raises Refused."""
    if name is None:
        return None
    made = ClientCommand.objects.filter(user_id=user_id, name=name).first()
    if made is not None and made.about_id != about:
        raise Refused(_ELSEWHERE, code="conflict")
    return made


def keep(user_id: int, name: str | None, about: int, message: int, generation: str | None) -> None:
    """In the transaction that made it. Raises Refused: the same name came at the same time for something elsewhere."""
    if name is None:
        return
    made = {"message_id": message, "generation": UUID(generation) if generation else None}
    try:
        with transaction.atomic():
            ClientCommand.objects.create(user_id=user_id, name=name, about_id=about, **made)
    except IntegrityError:
        raise Refused(_ELSEWHERE, code="conflict") from None


def purge() -> int:
    """Forget the oldest of those that nobody repeats any more; returns how many. They are made in the order of their
    ids, so no more rows than a batch are looked at, and no index is needed."""
    before = timezone.now() - KEPT_FOR
    oldest = ClientCommand.objects.order_by("pk").values_list("pk", "created_at")[:PURGE_BATCH]
    due = [pk for pk, created_at in oldest if created_at < before]
    return ClientCommand.objects.filter(pk__in=due).delete()[0] if due else 0
