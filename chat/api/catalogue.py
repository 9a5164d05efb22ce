"""`/api/v1/models`: what can be asked, and how long one would wait."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from chat.api.bearer import KeyAuth
from chat.api.models import Scope
from chat.api.openapi import PROBLEMS
from chat.api.schemas import Model, ModelList, Wait
from chat.model_waits import told_as
from streaming import services as streaming
from streaming import wait_feed

router = Router(tags=["Models"])


@router.get("", auth=KeyAuth(Scope.READ), operation_id="list_offered_models", response={200: ModelList, **PROBLEMS})
async def list_offered_models(request: HttpRequest) -> ModelList:
    """All models of this site, also those that cannot be asked now."""
    waits = {alias: Wait.model_validate(told_as(wait)) for alias, wait in wait_feed.get().model_waits().items()}
    return ModelList(
        items=[
            Model(id=choice.alias, label=choice.label, unavailable=choice.unavailable, wait=waits.get(choice.alias))
            for choice in streaming.model_choices()
        ]
    )
