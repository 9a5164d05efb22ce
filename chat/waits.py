"""May a message be sent now? Over a socket or by a program: the same is asked before it is written."""

from __future__ import annotations

from uuid import UUID

from chat import services
from chat.access import User, id_of
from streaming import database
from streaming import services as streaming
from streaming.errors import Refused


async def check_wait(user: User, conversation: UUID, client_message_id: str, text: str, model: str | None) -> None:
    """Would its answer begin in time? What was accepted before is not refused when it is sent again, nor is what needs
    no answer. Raises Refused."""
    try:
        asked = services.called_model(text, model) or streaming.default_model()
        if streaming.is_by_question(asked):
            asked = await database.call(services.model_for, user, conversation, text, asked)
        await streaming.check_wait(id_of(user), asked)
    except Refused:
        if await database.call(services.would_ask, user, conversation, client_message_id, text):
            raise
