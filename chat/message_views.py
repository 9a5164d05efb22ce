"""What the page's modules fetch of single messages."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from chat import selectors
from chat.access import NotFound, access_message
from chat.pages import page


@require_GET
@page
def message_text(request: HttpRequest, conversation_id: UUID, message_id: int) -> HttpResponse:
    """What was written, as Markdown, to be copied or edited."""
    found = access_message(request.user, min(message_id, 2**63 - 1))
    if found.conversation_id != conversation_id:
        raise NotFound
    (data,) = selectors.messages_by_id([found.pk])
    return JsonResponse({"text": data["text"]})
