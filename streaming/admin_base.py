"""What our pages of the admin are made from: django-unfold's classes where the site uses it, else Django's own. Nothing
here depends on how they look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.http import HttpRequest

if TYPE_CHECKING or not apps.is_installed("unfold"):
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.contrib.admin.widgets import AdminTextInputWidget as TextInput
else:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput

__all__ = ["ModelAdmin", "Numbers", "ReadOnly", "TabularInline", "TextInput"]


class ReadOnly:
    """Rows that only the program writes."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Numbers(ReadOnly):
    """Seen by whoever may see numbers, whatever Django's own permissions for the model say."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("streaming.view_numbers")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)
