"""The list of conversations: making, renaming, deleting and taking that back, and searching."""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from chat import deletion, people, search
from chat.forms import RenameForm
from chat.pages import Done, act, page, refuse, sidebar, wants_data
from streaming.errors import Refused
from streaming.hooks import AfterEnd

#: For how long the page offers to take a deletion back; its modules hide the offer after 10 s.
OFFERED_S: Final = 60
_DELETED: Final = "chat.deleted"


@require_POST
@page
def conversation_new(request: HttpRequest) -> HttpResponse:
    return redirect("conversation", people.create_conversation(request.user).pk)


@require_POST
@page
def conversation_rename(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    here = reverse("conversation", args=[conversation_id])
    form = RenameForm(request.POST)
    if not form.is_valid():
        return refuse(request, Refused("A title has at most 120 characters.", code="bad_field"), here)
    title = form.cleaned_data["title"]
    return act(request, lambda: Done(here, people.rename(request.user, conversation_id, title)), here)


@require_POST
@page
def conversation_delete(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    def change() -> Done:
        deleted = deletion.delete_conversation(request.user, conversation_id)
        restore = reverse("conversation_restore", args=[conversation_id])
        offer = {"title": deleted.title, "restore": restore}
        request.session[_DELETED] = {**offer, "at": time.time()}
        return Done(reverse("home"), deleted.after, offer, stopping=deleted.stopping)

    return act(request, change, reverse("conversation", args=[conversation_id]))


@require_POST
@page
def conversation_restore(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    def change() -> Done:
        after: AfterEnd = deletion.restore_conversation(request.user, conversation_id)
        request.session.pop(_DELETED, None)
        return Done(reverse("conversation", args=[conversation_id]), after)

    return act(request, change, reverse("home"))


def just_deleted(request: HttpRequest) -> dict[str, Any] | None:
    """What can be taken back on this page; it is offered once."""
    deleted: dict[str, Any] | None = request.session.pop(_DELETED, None)
    return deleted if deleted is not None and time.time() - deleted["at"] < OFFERED_S else None


@require_GET
@page
def search_page(request: HttpRequest) -> HttpResponse:
    """What was said or is called so, in one's own conversations: `?q=`."""
    query = request.GET.get("q", "")
    try:
        found = search.search(request.user, query)
    except Refused as refused:
        return refuse(request, refused, reverse("home"))
    if wants_data(request):
        return JsonResponse({"hits": [hit.data() for hit in found]})
    return render(request, "chat/search.html", {"query": query, "hits": found, **sidebar(request)})
