"""Answers and their attempts, as numbers: nothing of what was asked or said. Reading along has a page, a permission and
a line in the audit trail of its own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from streaming.admin_base import ModelAdmin, Numbers, TabularInline
from streaming.models import Attempt, Generation

_HIDDEN = ("text", "wait_message", "vendor_run")
_TIMES = ("requested_at", "deadline_at", "admitted_at", "first_text_at", "stop_requested_at", "finished_at")


class AttemptInline(Numbers, TabularInline):  # type: ignore[type-arg]
    model = Attempt
    extra = 0
    fields = readonly_fields = (
        *("number", "worker", "started_at", "first_text_at", "ended_at", "outcome", "error_code"),
        *("input_tokens", "output_tokens", "usage_source"),
    )


@admin.register(Generation)
class GenerationAdmin(Numbers, ModelAdmin):  # type: ignore[type-arg]
    list_display = (
        "id",
        "status",
        "user",
        "model",
        "attempt",
        "requested_at",
        "finished_at",
        "output_tokens",
        "error_code",
    )
    list_filter = ("status", "model")
    list_select_related = ("user",)
    search_fields = ("=id", "user__username", "=error_code")
    ordering = ("-requested_at",)
    show_full_result_count = False  # counting a million rows costs more than showing a page of them
    inlines = (AttemptInline,)
    fieldsets = (
        (None, {"fields": ("id", "status", "user", "model", "lane", "attempt", "worker")}),
        (
            _("When"),
            {
                "fields": (
                    "requested_at",
                    "admitted_at",
                    "first_text_at",
                    "finished_at",
                    "stop_requested_at",
                    "deadline_at",
                )
            },
        ),
        (_("What it used"), {"fields": ("input_tokens", "cached_tokens", "output_tokens", "text_bytes")}),
        (
            _("How it ended"),
            {"fields": ("finish_reason", "error_code", "error_message", "provider_errors", "crashes")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        rows: QuerySet[Generation] = super().get_queryset(request)
        return rows.defer(*_HIDDEN)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _title, options in self.fieldsets for name in options["fields"]]
