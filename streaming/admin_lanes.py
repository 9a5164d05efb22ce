"""What administrators decide about a lane: its limits."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, Final

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from streaming import lane_rows, lane_settings, lanes, providers
from streaming.accuracy import accuracy
from streaming.admin_base import ModelAdmin, TextInput
from streaming.lane_limits import ChargeMode
from streaming.limit_rules import RULES, Rule, check_limits
from streaming.models import Lane

ACCURACY_SPAN: Final = timedelta(days=7)
_NO_LIMIT: Final = "—"
_BREAK: Final = mark_safe("<br>")
_LATER: Final = gettext_lazy(
    "The waiting line cannot be reached just now. This is saved, and comes into force within a second of its return."
)
_CHARGES: Final = {
    ChargeMode.AS_PRODUCED: gettext_lazy("as they are produced"),
    ChargeMode.RESERVE_MAX: gettext_lazy("the most that may come, at once"),
}
LABELS: Final = {
    "requests_per_minute": gettext_lazy("Requests per minute"),
    "input_tokens_per_minute": gettext_lazy("Input tokens per minute"),
    "output_tokens_per_minute": gettext_lazy("Output tokens per minute"),
    "charge": gettext_lazy("How output tokens count"),
    "concurrency": gettext_lazy("Answers at once"),
    "user_concurrency": gettext_lazy("Answers at once per person"),
    "user_queue": gettext_lazy("Waiting questions per person"),
    "queue_max": gettext_lazy("Waiting questions in all"),
    "burst_s": gettext_lazy("Burst, seconds"),
    "pace": gettext_lazy("Share of the rates that is used"),
    "ramp_start": gettext_lazy("Share of the rates after a rest"),
    "adopt_higher": gettext_lazy("Adopt higher limits"),
    "handoff_s": gettext_lazy("Hand-off, seconds"),
}


class LaneForm(forms.ModelForm):  # type: ignore[type-arg]
    """The fields of a lane with what `limit_rules` knows of them."""

    why = forms.CharField(
        label=gettext_lazy("Why"), max_length=200, help_text=gettext_lazy("Stands in the audit trail."),
        widget=TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip

    class Meta:
        model = Lane
        fields = tuple(RULES)
        labels = LABELS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, rule in RULES.items():
            if name in self.fields:  # people who may only look have none
                _explain(self.fields[name], rule)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        for name in values.keys() & RULES.keys():
            try:
                check_limits({name: values[name]})
            except ValueError as error:
                self.add_error(name, f"{error}.".replace(name, "This", 1))
        return self.cleaned_data


def _explain(field: forms.Field, rule: Rule) -> None:
    field.help_text = _(rule.help)
    if rule.kind is ChargeMode:
        field.choices = list(_CHARGES.items())  # type: ignore[attr-defined]
    elif rule.kind is not bool:
        field.widget.attrs |= {"min": rule.least, "max": rule.most}


@admin.register(Lane)
class LaneAdmin(ModelAdmin):  # type: ignore[type-arg]
    form = LaneForm
    list_display = ("models", "code", "rates", "at_once", "blocked", "estimates")
    readonly_fields = ("code", "models", "blocked", "estimates", "updated_at")
    fieldsets = (
        (None, {"fields": ("models", "code", "blocked", "estimates", "updated_at")}),
        (
            gettext_lazy("What the provider allows"),
            {"fields": ("requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute", "charge")},
        ),
        (
            gettext_lazy("What people get"),
            {"fields": (("concurrency", "user_concurrency"), ("queue_max", "user_queue"))},
        ),
        (
            gettext_lazy("How the provider's limits are used"),
            {"fields": (("burst_s", "handoff_s"), ("pace", "ramp_start"), "adopt_higher")},
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Lane | None = None) -> Any:
        """Whoever may only look is not asked why."""
        asks = ((gettext_lazy("The change"), {"fields": ("why",)}),)
        return (*self.fieldsets, *asks) if self.has_change_permission(request, obj) else self.fieldsets

    def has_view_permission(self, request: HttpRequest, obj: Lane | None = None) -> bool:
        return request.user.has_perm("streaming.view_numbers") or self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Lane | None = None) -> bool:
        return request.user.has_perm("streaming.change_limits")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the catalogue's models make them

    def has_delete_permission(self, request: HttpRequest, obj: Lane | None = None) -> bool:
        """Only lanes that no model uses any more: the others would come back with what the settings say."""
        return self.has_change_permission(request, obj) and (obj is None or obj.name not in lanes.names())

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lane]:
        lane_rows.settings_of(lanes.names())  # a lane that is seen for the first time gets its row
        rows: QuerySet[Lane] = super().get_queryset(request)
        return rows

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """The audit trail says from what to what, and why."""
        before, after = form.initial, form.cleaned_data
        changed = [name for name in form.changed_data if name in LABELS]
        changes = ", ".join(f"{LABELS[name]}: {before.get(name)} → {after[name]}" for name in changed)
        return f"{changes or 'Nothing changed'}: {after['why']}"

    def save_model(self, request: HttpRequest, obj: Lane, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(partial(self._apply, request, obj))

    def _apply(self, request: HttpRequest, lane: Lane) -> None:
        if not async_to_sync(lane_settings.apply)(lane.name, lane.limits()):
            self.message_user(request, _("Lane {}: {}").format(lane.name, _LATER), messages.WARNING)

    @admin.display(description=gettext_lazy("models"))
    def models(self, lane: Lane) -> str:
        return ", ".join(entry.label for entry in providers.catalogue() if lanes.of(entry) == lane.name) or _("none")

    @admin.display(description=gettext_lazy("Lane"), ordering="name")
    def code(self, lane: Lane) -> str:
        return format_html("<code>{}</code>", lane.name)

    @admin.display(description=gettext_lazy("per minute"))
    def rates(self, lane: Lane) -> str:
        """One line for each that is limited: together they need more room than a table has."""
        shown = [
            (_("{count} requests"), lane.requests_per_minute),
            (_("{count} input tokens"), lane.input_tokens_per_minute),
            (_("{count} output tokens"), lane.output_tokens_per_minute),
        ]
        lines = [
            (words.format(count=number_format(f"{rate:.12g}", force_grouping=True)),)
            for words, rate in shown
            if rate is not None
        ]
        return format_html_join(_BREAK, "{}", lines) or _NO_LIMIT

    @admin.display(description=gettext_lazy("at once (per person)"))
    def at_once(self, lane: Lane) -> str:
        most, own = (_NO_LIMIT if n is None else str(n) for n in (lane.concurrency, lane.user_concurrency))
        return f"{most} ({own})"

    @admin.display(description=gettext_lazy("announced waits"))
    def estimates(self, lane: Lane) -> str:
        """What people were told in the last week, beside what came."""
        told = accuracy(lane.name, timezone.now() - ACCURACY_SPAN)
        if told.coverage is None:
            return _("none in 7 days")
        kept = _("{count} in 7 days: {kept} within the promise").format(count=told.count, kept=f"{told.coverage:.0%}")
        return kept if told.mae_s is None else kept + _(", off by {:.1f} s on average").format(told.mae_s)

    @admin.display(description=gettext_lazy("blocked"))
    def blocked(self, lane: Lane) -> str:
        return lane.blocked_reason or _("no")
