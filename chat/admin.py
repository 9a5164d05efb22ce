"""Conversations for administrators: who talks how much, never about what (a title is made from the first message)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.models import Conversation, Participant
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
