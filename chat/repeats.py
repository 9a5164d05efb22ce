"""Commands that make something, by the name that a person's client gave them: sent again, after a lost connection or a
lost answer, they make nothing more and are answered like the first time. Under the lock of their conversation."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction

from chat.models import ClientCommand
from streaming.errors import Refused

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
