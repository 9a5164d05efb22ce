"""What the engine asks its host: for answers in conversations, and for those of programs that bring their history."""

from __future__ import annotations

from uuid import UUID

from chat import errands
from chat.api.chat_request import from_json
from chat.api.models import ApiRequest
from streaming.errors import Refused
from streaming.hooks import AfterEnd
from streaming.prompt import Prompt


def build_prompt(generation_id: str) -> Prompt:
    """Conversations first: their answers pay nothing for this."""
    try:
        return errands.build_prompt(generation_id)
    except Refused:
        kept = ApiRequest.objects.filter(generation=UUID(generation_id)).values_list("prompt", flat=True).first()
        if not kept:
            raise
        return from_json(kept)


def generation_ended(generation_id: str) -> AfterEnd:
    after = errands.generation_ended(generation_id)
    if not after.broadcasts:  # no conversation knows it; a request's prompt is kept no longer than it may be needed
        ApiRequest.objects.filter(generation=UUID(generation_id)).update(prompt={})
    return after
