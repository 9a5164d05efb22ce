"""The confirmation page of every order: what will happen, and why it should."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from chatsite.dashboard import audit
from chatsite.dashboard.orders import ORDERS, Done, Given, Order, page_of
from streaming.errors import StreamingError

MINUTES_MAX = 7 * 24 * 60


class Confirmation(forms.Form):
    why = forms.CharField(
        label=_("Why"), max_length=200, help_text=_("Stands in the audit trail."),
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"}),
    )  # fmt: skip
    minutes = forms.IntegerField(
        label=_("For how many minutes"), required=False, min_value=1, max_value=MINUTES_MAX,
        help_text=_("Empty: until it is resumed."),
    )  # fmt: skip

    def __init__(self, order: Order, *args: Any) -> None:
        super().__init__(*args)
        if not order.asks_minutes:
            del self.fields["minutes"]


def _confirm(request: HttpRequest, name: str, target: str) -> HttpResponse:
    order = ORDERS.get(name)
    if order is None:
        raise Http404
    if not request.user.has_perm(order.permission):
        if request.method == "POST":  # who only opens the address has ordered nothing yet
            audit.note_refusal(request, target, name)
        raise PermissionDenied
    found = order.find(target)
    form = Confirmation(order, request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _carry_out(order, Given(request, found, **form.cleaned_data))
    context = {"title": order.title, "order": order, "explanation": order.explain(found), "form": form}
    context["back"] = page_of(order)
    return TemplateResponse(request, "operations/confirm.html", admin.site.each_context(request) | context)


def _carry_out(order: Order, given: Given) -> HttpResponse:
    try:
        done = order.carry_out(given)
    except StreamingError as refused:
        audit.note(given.request, given.target, "Not carried out", refused.message)
        messages.error(given.request, refused.message)
        done = Done("")
    if done.message:
        (messages.warning if done.is_late else messages.success)(given.request, done.message)
    return HttpResponseRedirect(done.url or page_of(order))


def confirm(request: HttpRequest, name: str, target: str) -> HttpResponse:
    """Staff only; a POST needs the form's token."""
    response: HttpResponse = admin.site.admin_view(_confirm)(request, name, target)
    return response
