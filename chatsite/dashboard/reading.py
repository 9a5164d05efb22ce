"""Reading along: an answer's text, for whoever may, has said why, and is in the audit trail with it.

The address that the confirmation leads to holds a pass for this person and this answer; without one there is no text.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from chatsite.dashboard.rights import VIEW_TEXT, page, show
from streaming import site_now
from streaming.models import Generation

PASS_VALID_S: Final = 3600
SHOWN_CHARS: Final = 50_000
_SALT: Final = "operations.reading"


def address(request: HttpRequest, answer: Generation) -> str:
    key = signing.dumps([request.user.pk, str(answer.pk)], salt=_SALT)
    return f"{reverse('operations:read', args=[answer.pk])}?{urlencode({'pass': key})}"


@page(VIEW_TEXT)
def read(request: HttpRequest, answer: Any) -> HttpResponse:
    key = request.GET.get("pass", "")
    try:
        known = signing.loads(key, salt=_SALT, max_age=PASS_VALID_S)
    except signing.BadSignature:
        known = None
    if known != [request.user.pk, str(answer)]:
        raise PermissionDenied
    text = site_now.text_of(str(answer))
    if text is None:
        raise Http404
    shown = {"text": text.text[-SHOWN_CHARS:], "left_out": max(0, len(text.text) - SHOWN_CHARS)}
    return show(request, "read", _("Read along"), shown | {"now": text, "answer": str(answer), "pass": key})
