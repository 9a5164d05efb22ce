"""A person's keys: seen, made (shown once), revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from chat.access import id_of
from chat.api import keys, revoking
from chat.api.models import ApiKey, Scope
from streaming.errors import Refused

#: Days until a key expires, as the form offers them.
_LIVES = (("30", _("in 30 days")), ("90", _("in 90 days")), ("365", _("in a year")), ("", _("never")))


class KeyForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=keys.NAME_MAX_CHARS, help_text=_("What will use it?"))
    scopes = forms.MultipleChoiceField(
        label=_("It may"), choices=Scope.choices, initial=Scope.values, widget=forms.CheckboxSelectMultiple
    )
    days = forms.ChoiceField(label=_("It expires"), choices=_LIVES, required=False, initial="90")

    def make(self, user: Any) -> keys.Made:
        """Raises Refused."""
        days = self.cleaned_data["days"]
        expires_at = timezone.now() + timedelta(days=int(days)) if days else None
        return keys.create_key(user, self.cleaned_data["name"], self.cleaned_data["scopes"], expires_at)


@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def api_keys(request: HttpRequest) -> HttpResponse:
    form, made = KeyForm(request.POST or None), None
    if request.method == "POST" and form.is_valid():
        try:
            made, form = form.make(request.user), KeyForm()
        except Refused as refused:
            form.add_error(None, refused.message)
    rows = ApiKey.objects.filter(user_id=id_of(request.user), revoked_at__isnull=True)
    return render(request, "api/keys.html", {"form": form, "made": made, "keys": rows})


@require_POST
@login_required
def api_key_revoke(request: HttpRequest, key_id: int) -> HttpResponse:
    key = ApiKey.objects.filter(pk=key_id, user_id=id_of(request.user)).first()
    if key is None:
        raise Http404
    revoking.revoke_key(key)
    return redirect("api_keys")
