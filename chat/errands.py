"""What the engine asks its host about a generation: most of them write answers, the others run an errand."""

from __future__ import annotations

from uuid import UUID

from chat import memory, prompts, services, titles
from chat.models import Errand
from streaming.errors import Refused
from streaming.hooks import AfterEnd
from streaming.prompt import Prompt


def build_prompt(generation_id: str) -> Prompt:
    """Called when it is claimed. Raises Refused if there is nothing left to ask."""
    try:
        return prompts.build_prompt(generation_id)
    except Refused:
        errand = _errand(generation_id)
        if errand is None:
            raise
    if errand.kind == Errand.Kind.SUMMARY:
        return memory.build_prompt(generation_id)
    return titles.build_prompt(errand.conversation_id)


def generation_ended(generation_id: str) -> AfterEnd:
    """Called inside the transaction that ends it."""
    after = services.generation_ended(generation_id)
    if after is not None:
        return after
    errand = _errand(generation_id)
    if errand is None:
        return AfterEnd()
    done = memory.made if errand.kind == Errand.Kind.SUMMARY else titles.found
    return done(errand.conversation_id, errand.generation)


def _errand(generation_id: str) -> Errand | None:
    return Errand.objects.filter(pk=UUID(generation_id)).select_related("generation").first()
