"""Telling people while they write that a budget of theirs comes to its end; pages say the same when they are loaded."""

from __future__ import annotations

import logging

from django.db import DatabaseError

from chat import changes
from chat.events import BudgetShort, encode
from chat.sockets import person_group
from streaming import budget_limits, database
from streaming.hooks import AfterEnd

log = logging.getLogger(__name__)


async def tell(user_id: int) -> None:
    """After a request of this person was accepted: what is held for it counts, so this is when a budget becomes short.
    Never raises."""
    try:
        short = await database.call(budget_limits.short_shares, user_id)
    except (DatabaseError, OSError) as away:
        log.warning("nobody can tell how the budgets of %s stand: %r", user_id, away)
        return
    if short:
        frame = encode(BudgetShort(percent=max(share.percent for share in short)))
        await changes.carry_out(AfterEnd(broadcasts=[(person_group(user_id), frame)]))
