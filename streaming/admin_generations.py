"""Answers and their attempts, as numbers: nothing of what was asked or said. Reading along has a page, a permission and
a line in the audit trail of its own."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from streaming.admin_base import ModelAdmin, Numbers, TabularInline
from streaming.models import Attempt, Generation
from streaming.states import Status

_STATES: Final = {
    Status.QUEUED: _("waiting"),
    Status.ADMITTED: _("asked, no text yet"),
    Status.STREAMING: _("running"),
    Status.COMPLETED: _("completed"),
    Status.STOPPED: _("stopped"),
    Status.INTERRUPTED: _("broken off"),
    Status.FAILED: _("failed"),
    Status.EXPIRED: _("waited too long"),
}
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
    list_display = ("code", "state", "person", "alias", "attempts", "requested", "finished", "written", "went_wrong")
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

    @admin.display(description=_("Answer"), ordering="id")
    def code(self, row: Generation) -> str:
        return str(row.pk)[:8]

    @admin.display(description=_("State"), ordering="status")
    def state(self, row: Generation) -> Any:
        return _STATES[Status(row.status)]

    @admin.display(description=_("Person"), ordering="user__username")
    def person(self, row: Generation) -> str:
        return str(row.user)

    @admin.display(description=_("Model"), ordering="model")
    def alias(self, row: Generation) -> str:
        return row.model

    @admin.display(description=_("Attempts"), ordering="attempt")
    def attempts(self, row: Generation) -> int:
        return row.attempt

    @admin.display(description=_("Asked"), ordering="requested_at")
    def requested(self, row: Generation) -> str:
        return date_format(localtime(row.requested_at), "SHORT_DATETIME_FORMAT")

    @admin.display(description=_("Ended"), ordering="finished_at")
    def finished(self, row: Generation) -> str | None:
        return date_format(localtime(row.finished_at), "SHORT_DATETIME_FORMAT") if row.finished_at else None

    @admin.display(description=_("Tokens written"), ordering="output_tokens")
    def written(self, row: Generation) -> int | None:
        return row.output_tokens

    @admin.display(description=_("Error"), ordering="error_code", empty_value="-")
    def went_wrong(self, row: Generation) -> str | None:
        return row.error_code or None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        rows: QuerySet[Generation] = super().get_queryset(request)
        return rows.defer(*_HIDDEN)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _title, options in self.fieldsets for name in options["fields"]]
