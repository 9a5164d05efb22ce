"""What all pages and their forms share. A form comes from the page's modules, which want JSON, or a plain browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache

from chat import budget_notices, changes, page_data, wording
from chat.access import Forbidden, NotFound, id_of
from chat.conversation_list import whole_list
from chat.usage_words import sentence
from streaming.errors import Refused
from streaming.hooks import AfterEnd

View = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class Done:
    """A change was made: the address where its result is to be seen, what else its page needs to know, what people are
    told of it, in their language, and the answers that are to end."""

    go: str
    after: AfterEnd = field(default_factory=AfterEnd)
    more: dict[str, Any] = field(default_factory=dict)
    said: str = ""
    stopping: list[str] = field(default_factory=list)


def page(view: View) -> View:
    """For people who are logged in; never from a cache, so that nothing shows after logging out."""

    @never_cache
    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except NotFound as refused:
            if wants_data(request):
                return _refusal(refused, 404)
            raise Http404(refused.message) from None
        except Forbidden as refused:
            if wants_data(request):
                return _refusal(refused, 403)
            raise PermissionDenied(refused.message) from None

    return guarded


def wants_data(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "") == "application/json"


def act(request: HttpRequest, change: Callable[[], Done], back: str) -> HttpResponse:
    """Make a change and tell everybody. A refusal becomes a sentence on the page at `back`; raises NotFound."""
    try:
        done = change()
    except NotFound:
        raise
    except Refused as refused:
        return refuse(request, refused, back)
    async_to_sync(changes.carry_out)(done.after)
    async_to_sync(changes.stop)(done.stopping)
    if wants_data(request):
        return JsonResponse({"go": done.go, "said": done.said, **done.more})
    if done.said:
        messages.success(request, done.said)
    return redirect(done.go)


def refuse(request: HttpRequest, refused: Refused, back: str) -> HttpResponse:
    if wants_data(request):
        return _refusal(refused, 403 if isinstance(refused, Forbidden) else 409)
    messages.error(request, _words(refused))
    return redirect(back)


def _refusal(refused: Refused, status: int) -> JsonResponse:
    return JsonResponse({"code": refused.code, "message": _words(refused)}, status=status)


def _words(refused: Refused) -> str:
    return wording.worded(refused.sentences) or gettext(refused.message)


def sidebar(request: HttpRequest) -> dict[str, Any]:
    """What the list of conversations beside each page shows, and what is to be said on each page."""
    short = [sentence(share) for share in budget_notices.short_shares(id_of(request.user))]
    return {"days": page_data.by_day(whole_list(request.user).entries), "short_budgets": short}


def dialog_of(conversation_id: UUID) -> str:
    """The address that opens a conversation with its dialog of people."""
    return reverse("conversation", args=[conversation_id]) + "#people"
