"""What the page's modules fetch of single messages."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from chat import ratings, selectors
from chat.access import Forbidden, NotFound, access_conversation, access_message
from chat.models import Message
from chat.pages import Done, act, page
from streaming import services as streaming

COSTS_AT_ONCE: Final = 200
#: Who sees what answers cost: those who see the site's numbers.
SEES_COST: Final = "streaming.view_numbers"
_IDS: Final = re.compile(r"[0-9]{1,18}(,[0-9]{1,18})*")


@require_GET
@page
def message_text(request: HttpRequest, conversation_id: UUID, message_id: int) -> HttpResponse:
    """What was written, as Markdown, to be copied or edited."""
    found = access_message(request.user, min(message_id, 2**63 - 1))
    if found.conversation_id != conversation_id:
        raise NotFound
    (data,) = selectors.messages_by_id([found.pk])
    return JsonResponse({"text": data["text"]})


@require_GET
@page
def message_costs(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """What answers cost: `{costs: {message: millionths of a US dollar}}` of `?ids=1,2`; one without a known price is
    left out."""
    found = access_conversation(request.user, conversation_id)
    if not request.user.has_perm(SEES_COST):
        raise Forbidden
    text = request.GET.get("ids", "")
    if not _IDS.fullmatch(text):
        raise Http404("`ids` are numbers of messages.")
    ids = [int(number) for number in text.split(",")[:COSTS_AT_ONCE]]
    answers = Message.objects.filter(conversation=found, pk__in=ids, generation__isnull=False)
    generations = dict(answers.order_by().values_list("generation_id", "pk"))
    costs = streaming.answer_costs(generations)
    return JsonResponse({"costs": {generations[generation]: cost for generation, cost in costs.items()}})


@require_POST
@page
def message_rating(request: HttpRequest, conversation_id: UUID, message_id: int) -> HttpResponse:
    """What one thinks of an answer: `rating` is good, bad, or nothing to take it back."""
    here = reverse("conversation", args=[conversation_id])
    rating = request.POST.get("rating", "")

    def change() -> Done:
        ratings.rate(request.user, conversation_id, min(message_id, 2**63 - 1), rating)
        return Done(here, more={"rating": rating})

    return act(request, change, here)
