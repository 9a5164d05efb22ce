"""Telling people while they write that a budget of theirs comes to its end; pages say the same when they are loaded."""

from __future__ import annotations

import logging
from typing import Final

from django.db import DatabaseError

from chat import changes, prompts
from chat.events import BudgetShort, encode
from chat.models import Message
from chat.sockets import person_group
from streaming import budget_limits, database, services
from streaming.budget_limits import Share
from streaming.hooks import AfterEnd

#: Each costs a look at its conversation's newest answer.
WAITING_MAX: Final = 20
log = logging.getLogger(__name__)


def short_shares(user_id: int) -> list[Share]:
    """The budgets of which this person should be told that they come to their end. Whatever was accepted counts, also
    what waits behind an answer: nothing is held for that before its turn, and to say so then would be late."""
    shares = budget_limits.shares_of(user_id)
    return budget_limits.short_shares(shares, *services.unheld(user_id, _waiting(user_id))) if shares else []


def _waiting(user_id: int) -> list[tuple[str, int]]:
    mine = Message.objects.filter(author_id=user_id, state=Message.State.PENDING).order_by("-pk")
    rows = mine.values_list("model", "conversation_id", "text")[:WAITING_MAX]
    return [(model, prompts.estimate_input(conversation, text)) for model, conversation, text in rows]


async def tell(user_id: int) -> None:
    """After a question of this person was accepted: this is when a budget becomes short. Never raises."""
    try:
        short = await database.call(short_shares, user_id)
    except (DatabaseError, OSError) as away:
        log.warning("nobody can tell how the budgets of %s stand: %r", user_id, away)
        return
    if short:
        frame = encode(BudgetShort(percent=max(share.percent for share in short)))
        await changes.carry_out(AfterEnd(broadcasts=[(person_group(user_id), frame)]))
