"""The pages. Everything that happens after loading goes over the WebSocket; history shows without JavaScript too."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from chat import export, message_views, page_data, people_views, ratings, selectors, share_views
from chat.access import Role, access_conversation, id_of
from chat.late_rendering import render_late
from chat.list_views import just_deleted
from chat.pages import page, sidebar
from streaming import services as streaming
from streaming.errors import Refused


@require_GET
@page
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "chat/home.html", {"deleted": just_deleted(request), **sidebar(request)})


@require_GET
@page
def conversation(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """The newest messages, or those around message `?at=`, or, for people without JavaScript, before `?before=`."""
    found = access_conversation(request.user, conversation_id)
    user_id = id_of(request.user)
    at = _number(request, "at")
    before = _number(request, "before") if at is None else selectors.page_end_after(found.pk, at)
    shown = selectors.message_page(found.pk, before)
    render_late(shown.messages)
    changed = selectors.conversation_changed(found, shown.messages, complete=True, older=shown.older, told=True)
    role = next(person["role"] for person in changed.participants if person["id"] == user_id)
    context = {
        "conversation": changed,
        "rows": page_data.message_rows(changed.messages, user_id),
        "oldest": page_data.before_first(page_data.in_reading_order(changed.messages)),
        "is_past": before is not None,
        "role": role,
        "is_private": len(changed.participants) == 1 and bool(changed.messages),
        "models": _models(),
        **people_views.dialog(request, found, role),
        **share_views.dialog(request, found, is_owner=role == Role.OWNER),
        "state": page_data.initial_state(changed, role, user_id)
        | {"sees_cost": request.user.has_perm(message_views.SEES_COST)}
        | {"ratings": ratings.own_ratings(request.user, found.pk)},
        **sidebar(request),
    }
    return render(request, "chat/conversation.html", context)


@require_GET
@page
def conversation_messages(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Older messages as data: `{messages, older}` before message `?before=`."""
    found = access_conversation(request.user, conversation_id)
    shown = selectors.message_page(found.pk, _number(request, "before"))
    render_late(shown.messages)
    return JsonResponse({"messages": shown.messages, "older": shown.older})


@require_GET
@page
def conversation_export(request: HttpRequest, conversation_id: UUID, kind: str) -> HttpResponse:
    """A file to keep, see `export`."""
    found = access_conversation(request.user, conversation_id)
    if kind not in export.KINDS:
        raise Http404
    content_type, write = export.KINDS[kind]
    name = slugify(str(found)) or "conversation"
    disposition = f'attachment; filename="{name}.{kind}"'
    return HttpResponse(write(found), content_type=content_type, headers={"Content-Disposition": disposition})


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Http404(f"`{name}` is the number of a message.")
    return int(text)


def _models() -> list[dict[str, Any]]:
    try:
        default = streaming.default_model()
    except Refused:
        default = None
    return page_data.model_rows(streaming.model_choices(), default)
