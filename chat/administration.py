"""What administrators do in conversations that are not theirs."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth import get_user_model

from chat import changes, versions
from streaming import steering


def repeat_answer(generation_id: UUID, user_id: int) -> str | None:
    """Ask again what was asked there, as the person who asked, and at their cost; returns the new generation's id.
    Raises Refused, as it would to that person."""
    person = get_user_model().objects.get(pk=user_id)
    asked = versions.regenerate(person, generation_id)
    steering.at_once(changes.carry_out(asked.after))
    return asked.generation
