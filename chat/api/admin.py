"""Keys for administrators: whose they are and when they were used, never what they are. A new one is shown once."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.api import keys, revoking
from chat.api.models import ApiKey, Scope
from streaming.admin_base import ModelAdmin
from streaming.errors import Refused


class NewKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        label=_("scopes"), choices=Scope.choices, initial=Scope.values, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiKey
        fields = ("user", "name", "scopes", "expires_at")

    #: Who makes it; set by the page.
    maker: Any = None

    def clean_user(self) -> Any:
        """A key acts as its person: it reads all that they wrote. For others than oneself that is more than any single
        permission gives."""
        user = self.cleaned_data["user"]
        if user != self.maker and not (self.maker and self.maker.is_superuser):
            raise forms.ValidationError(gettext("Only a superuser makes keys for other people."))
        return user

    def clean(self) -> dict[str, Any]:
        """The key is made here, so that what refuses it is told beside the fields."""
        fields = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.made = keys.create_key(fields["user"], fields["name"], fields["scopes"], fields["expires_at"])
            except Refused as refused:
                self.add_error(None, refused.message)
        return fields


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):  # type: ignore[type-arg]
    list_display = ("prefix", "user", "name", "scopes", "last_used_at", "expires_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("prefix", "name", "user__username")
    date_hierarchy = "created_at"
    actions = ("revoke",)
    readonly_fields = ("prefix", "user", "name", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at")
    fields = readonly_fields

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else NewKeyForm.Meta.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj:
            return super().get_form(request, obj, change, **kwargs)
        form = super().get_form(request, obj, change, **{"form": NewKeyForm, **kwargs})
        form.maker = request.user  # type: ignore[attr-defined]  # a class of this request's own
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.pk = form.made.key.pk
            messages.success(request, gettext("Copy this key now: it is not shown again.") + f" {form.made.token}")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a revoked key still says what it was used for

    @admin.action(description=_("Revoke the chosen keys"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            revoking.revoke_key(key)
