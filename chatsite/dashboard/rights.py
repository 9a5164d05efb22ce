"""Pages of the admin that have no model: who may open them, and what all of them show."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

View = Callable[..., HttpResponse]
VIEW_NUMBERS = "streaming.view_numbers"
VIEW_TEXT = "streaming.view_text"
STOP_ANSWERS = "streaming.stop_answers"
CHANGE_LIMITS = "streaming.change_limits"


def page(permission: str) -> Callable[[View], View]:
    """For staff with the permission: others log in, or are refused. POSTs need the form's token."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return admin.site.admin_view(checked)

    return decorate


def show(request: HttpRequest, template: str, title: Any, context: dict[str, Any]) -> HttpResponse:
    """A page, or only its live part where that is asked for."""
    part = "part" in request.GET
    around = {} if part else admin.site.each_context(request) | {"title": title}
    name = f"operations/{template}{'_live' if part else ''}.html"
    return TemplateResponse(request, name, around | context | {"may": May(request)})


class May:
    """For templates: `{% if may.stop %}`."""

    def __init__(self, request: HttpRequest) -> None:
        self.stop = request.user.has_perm(STOP_ANSWERS)
        self.limits = request.user.has_perm(CHANGE_LIMITS)
        self.text = request.user.has_perm(VIEW_TEXT)
