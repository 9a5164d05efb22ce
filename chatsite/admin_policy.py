"""The content security policy of the admin's pages, and of no others.

unfold builds on Alpine, which compiles the expressions in its attributes ('unsafe-eval') and sets styles in the page.
It has no inline scripts, so none are allowed here either; everything else stays as strict as in the chat.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware

ADMIN_POLICY: Final = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}


@sync_and_async_middleware
def admin_policy(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    if iscoroutinefunction(get_response):

        async def later(request: HttpRequest) -> HttpResponse:
            return _widen(request, await get_response(request))

        return later

    def now(request: HttpRequest) -> HttpResponse:
        return _widen(request, get_response(request))

    return now


def _widen(request: HttpRequest, response: Any) -> HttpResponse:
    if request.path_info.startswith(reverse("admin:index")):
        response._csp_replace = ADMIN_POLICY
    return response  # type: ignore[no-any-return]
