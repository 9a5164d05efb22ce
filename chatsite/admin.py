"""People, groups and the audit trail in the admin; pages of other packages get the same look."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from streaming.admin_base import ModelAdmin, ReadOnly

#: What only superusers change of a person.
RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


def _in_our_look() -> None:
    """Pages that other packages made of Django's class."""
    for model, page in list(admin.site._registry.items()):
        if not isinstance(page, ModelAdmin):
            admin.site.unregister(model)
            admin.site.register(model, type(type(page).__name__, (type(page), ModelAdmin), {}))


admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "last_login")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may change people must not give rights, to themselves first of all: Django's own page lets them."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else (*fields, *RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A password that one set is an account that one has."""
        may = super().has_change_permission(request, obj)
        has_more = obj is not None and obj != request.user and (obj.is_staff or obj.is_superuser)
        return may and (request.user.is_superuser or not has_more)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[type-arg]
    """Rights by the dozen: for superusers."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser


@admin.register(LogEntry)
class AuditTrail(ReadOnly, ModelAdmin):  # type: ignore[type-arg]
    """Who did what, and why; written by the admin itself, changed by nobody."""

    list_display = ("action_time", "user", "what", "object_repr", "content_type")
    list_display_links = None
    list_filter = ("content_type",)
    list_select_related = ("user", "content_type")
    search_fields = ("user__username", "object_repr", "change_message")
    ordering = ("-action_time",)
    show_full_result_count = False

    @admin.display(description=_("what"))
    def what(self, entry: Any) -> str:
        return str(entry.get_change_message() or entry.get_action_flag_display())


_in_our_look()
