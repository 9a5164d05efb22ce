"""People, groups and the audit trail in the admin; pages of other packages get the same look."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from streaming.admin_base import ModelAdmin, ReadOnly


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


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[type-arg]
    pass


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
