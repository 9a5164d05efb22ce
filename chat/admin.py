"""Conversations for administrators: who talks how much, never about what (a title is made from the first message)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.models import Conversation, Participant, Share
from streaming.admin_base import ModelAdmin, ReadOnly, TabularInline


class ParticipantInline(ReadOnly, TabularInline):  # type: ignore[type-arg]
    model = Participant
    fields = readonly_fields = ("user", "role", "joined_at")
    extra = 0


@admin.register(Conversation)
class ConversationAdmin(ReadOnly, ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "people", "message_count", "revision", "created_at", "changed_at")
    fieldsets = ((None, {"fields": ("id", "revision", "created_at", "changed_at")}),)
    inlines = (ParticipantInline,)
    search_fields = ("id", "participants__user__username")
    date_hierarchy = "created_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        people, written = Count("participants", distinct=True), Count("messages", distinct=True)
        rows: QuerySet[Conversation] = super().get_queryset(request).defer("title", "system_prompt")
        return rows.annotate(people_count=people, written=written)

    def get_object(self, *args: Any, **kwargs: Any) -> Conversation | None:
        found: Conversation | None = super().get_object(*args, **kwargs)
        if found is not None:
            found.title = str(found.pk)  # the page's heading; never saved
        return found

    @admin.display(description=_("people"), ordering="people_count")
    def people(self, row: Any) -> int:
        return int(row.people_count)

    @admin.display(description=_("messages"), ordering="written")
    def message_count(self, row: Any) -> int:
        return int(row.written)


@admin.register(Share)
class ShareAdmin(ReadOnly, ModelAdmin):  # type: ignore[type-arg]
    """Which conversations can be read from outside. Deleting one ends its link; what is read there is not shown."""

    list_display = fields = ("place", "created_by", "with_names", "taken_at", "expires_at")
    list_display_links = ("place",)
    search_fields = ("conversation__id", "created_by__username")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Share]:
        rows: QuerySet[Share] = super().get_queryset(request).select_related("created_by").defer("title", "key")
        return rows

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("chat.delete_share"))

    @admin.display(description=_("conversation"), ordering="conversation")
    def place(self, row: Share) -> str:
        return str(row.conversation_id)
