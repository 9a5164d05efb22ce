"""The pages. Everything that happens after loading goes over the WebSocket; history shows without JavaScript too."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from chat import changes, export, page_data, people, selectors
from chat.access import Forbidden, NotFound, access_conversation, id_of
from chat.conversation_list import whole_list
from chat.forms import AddPersonForm, RenameForm
from chat.models import Participant
from streaming import services as streaming
from streaming.errors import Refused
from streaming.hooks import AfterEnd

View = Callable[..., HttpResponse]


def page(view: View) -> View:
    """For people who are logged in; never from a cache, so that nothing shows after logging out."""

    @never_cache
    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except NotFound as refused:
            raise Http404(refused.message) from None
        except Forbidden as refused:
            raise PermissionDenied(refused.message) from None

    return guarded


@require_GET
@page
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "chat/home.html", _sidebar(request))


@require_GET
@page
def conversation(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """The newest messages, or those before message `?before=`, for people without JavaScript."""
    found = access_conversation(request.user, conversation_id)
    user_id = id_of(request.user)
    before = _before(request)
    shown = selectors.message_page(found.pk, before)
    changed = selectors.conversation_changed(found, shown.messages, complete=True, older=shown.older)
    role = next(person["role"] for person in changed.participants if person["id"] == user_id)
    context = {
        "conversation": changed,
        "rows": page_data.message_rows(changed.messages, user_id),
        "oldest": page_data.before_first(page_data.in_reading_order(changed.messages)),
        "is_past": before is not None,
        "role": role,
        "models": _models(),
        "add_person": AddPersonForm(),
        "state": page_data.initial_state(changed, role, user_id),
        **_sidebar(request),
    }
    return render(request, "chat/conversation.html", context)


@require_GET
@page
def conversation_messages(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Older messages as data: `{messages, older}` before message `?before=`."""
    found = access_conversation(request.user, conversation_id)
    shown = selectors.message_page(found.pk, _before(request))
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


@require_POST
@page
def conversation_new(request: HttpRequest) -> HttpResponse:
    return redirect("conversation", people.create_conversation(request.user).pk)


@require_POST
@page
def conversation_rename(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    form = RenameForm(request.POST)
    if form.is_valid():
        _do(request, lambda: people.rename(request.user, conversation_id, form.cleaned_data["title"]))
    else:
        messages.error(request, gettext("A title has at most 120 characters."))
    return redirect("conversation", conversation_id)


@require_POST
@page
def conversation_add_person(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    form = AddPersonForm(request.POST)
    if form.is_valid():
        name, role = form.cleaned_data["username"], form.cleaned_data["role"]
        _do(request, lambda: people.add_participant(request.user, conversation_id, name, role))
    else:
        messages.error(request, gettext("Please give the name of somebody who has an account here."))
    return redirect("conversation", conversation_id)


@require_POST
@page
def conversation_remove_person(request: HttpRequest, conversation_id: UUID, person_id: int) -> HttpResponse:
    """Taking somebody out; or leaving, if it is oneself."""
    _do(request, lambda: people.remove_participant(request.user, conversation_id, person_id))
    still_here = Participant.objects.filter(conversation_id=conversation_id, user_id=id_of(request.user)).exists()
    return redirect("conversation", conversation_id) if still_here else redirect("home")


def _do(request: HttpRequest, change: Callable[[], AfterEnd]) -> None:
    """Makes a change and tells everybody; a refusal becomes the sentence on the next page."""
    try:
        after = change()
    except NotFound:
        raise
    except Refused as refused:
        messages.error(request, gettext(refused.message))
        return
    async_to_sync(changes.carry_out)(after)


def _before(request: HttpRequest) -> int | None:
    text = request.GET.get("before", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Http404("`before` is the number of a message.")
    return int(text)


def _sidebar(request: HttpRequest) -> dict[str, Any]:
    return {"days": page_data.by_day(whole_list(request.user).entries)}


def _models() -> list[dict[str, Any]]:
    try:
        default = streaming.default_model()
    except Refused:
        default = None
    return page_data.model_rows(streaming.model_choices(), default)
