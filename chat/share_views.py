"""Sharing a conversation to be read, and the page that whoever has its link reads: no account, no script, no traces."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from uuid import UUID

from asgiref.sync import async_to_sync
from csp.constants import NONE
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from chat import shares
from chat.forms import ShareForm
from chat.models import Conversation, Share
from chat.pages import Done, act, dialog_of, page, refuse
from chat.shares import ShareGone
from streaming import request_rates
from streaming.errors import Refused
from streaming.request_rates import Rate

PAGE_MESSAGES: Final = 50
#: Of one link, by all its readers together: it costs nobody an account to ask.
READS: Final = Rate(300, 60.0)
_NO_SCRIPTS: Final = {"script-src": [NONE], "connect-src": [NONE], "form-action": [NONE]}


def dialog(request: HttpRequest, conversation: Conversation, *, is_owner: bool) -> dict[str, Any]:
    """What the dialog of people shows of it: the link for owners, that there is one for everybody."""
    link = shares.link_of(conversation)
    url = request.build_absolute_uri(reverse("shared", args=[link.token])) if link and is_owner else ""
    return {"share": link, "share_url": url, "share_form": ShareForm()}


@require_POST
@page
def conversation_share(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """A copy of what is shown now, behind a link; behind the link that there is already."""
    here = dialog_of(conversation_id)
    form = ShareForm(request.POST)
    if not form.is_valid():
        return refuse(request, Refused("There is no such choice.", code="bad_field"), here)

    def change() -> Done:
        days, names = int(form.cleaned_data["days"]), form.cleaned_data["names"]
        shares.take(request.user, conversation_id, days, with_names=names)
        return Done(here)

    return act(request, change, here)


@require_POST
@page
def conversation_share_withdraw(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    def change() -> Done:
        shares.withdraw(request.user, conversation_id)
        return Done(dialog_of(conversation_id))

    return act(request, change, dialog_of(conversation_id))


def _unlisted(view: Callable[..., Any]) -> Callable[..., Any]:
    """For whoever was given the address: not for search engines, nor for pages that are linked from there. A page
    without scripts is allowed none."""

    @wraps(view)
    def unlisted(*args: Any, **kwargs: Any) -> Any:
        response = view(*args, **kwargs)
        response._csp_replace = _NO_SCRIPTS
        response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        response["Referrer-Policy"] = "no-referrer"
        return response

    return unlisted


@_unlisted
@never_cache
@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """The copy, `?page=` by page. All links that do not work get the same answer."""
    try:
        share = shares.find_share(token)
    except ShareGone:
        return render(request, "chat/shared_gone.html", status=404)
    taken = async_to_sync(request_rates.take)(f"shared:{share.pk}", READS)
    if not taken.allowed:
        wait_s = max(1, math.ceil(taken.wait_s))
        busy = render(request, "chat/shared_busy.html", status=429)
        busy["Retry-After"] = str(wait_s)
        return busy
    return render(request, "chat/shared.html", _shown(share, request.GET.get("page", "1")))


def _shown(share: Share, number: str) -> dict[str, Any]:
    shown = Paginator(share.messages.all(), PAGE_MESSAGES).get_page(number)
    # Safe because nothing but `streaming.markdown_html` makes it.
    rows = [(message, None if html is None else mark_safe(html)) for message, html in shares.htmls(shown)]
    return {"share": share, "rows": rows, "shown": shown}
