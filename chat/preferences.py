"""What a browser, not a person, prefers: light or dark. A cookie, because then the server draws the page right from
its first byte on, without a flash and without a script. (The language has a cookie of Django's own.)"""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

COOKIE: Final = "theme"
THEMES: Final = ("light", "dark")
YEAR_S: Final = 31_536_000


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Whatever is no theme means: as the system does."""
    wanted = request.POST.get("theme", "")
    target = request.POST.get("next", "")
    response = redirect(target if url_has_allowed_host_and_scheme(target, {request.get_host()}) else "home")
    if wanted in THEMES:
        response.set_cookie(COOKIE, wanted, YEAR_S, samesite="Lax", secure=request.is_secure(), httponly=True)
    else:
        response.delete_cookie(COOKIE, samesite="Lax")
    return response


def theme(request: HttpRequest) -> dict[str, str]:
    """For templates: `theme` is light, dark, or empty for the system's own."""
    chosen = request.COOKIES.get(COOKIE, "")
    return {"theme": chosen if chosen in THEMES else ""}
