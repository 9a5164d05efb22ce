"""What administrators decide about the engine: the limits of its lanes, and how many tokens people may use."""

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

from streaming import conf, lane_rows, lane_settings, lanes, providers
from streaming.accuracy import accuracy
from streaming.lane_limits import ChargeMode
from streaming.limit_rules import RULES, Rule, check_limits
from streaming.models import Lane, PriceOverride, TokenBudget, TokenSpend

ACCURACY_SPAN: Final = timedelta(days=7)
_NO_LIMIT: Final = "—"
_LATER: Final = (
    "The waiting line cannot be reached just now. This is saved, and comes into force within a second of its return."
)
_CHARGES: Final = {
    ChargeMode.AS_PRODUCED: "as they are produced",
    ChargeMode.RESERVE_MAX: "the most that may come, at once",
}


class LaneForm(forms.ModelForm):  # type: ignore[type-arg]
    """The fields of a lane with what `limit_rules` knows of them."""

    class Meta:
        model = Lane
        fields = tuple(RULES)

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
    field.help_text = rule.help
    if rule.kind is ChargeMode:
        field.choices = list(_CHARGES.items())  # type: ignore[attr-defined]
    elif rule.kind is not bool:
        field.widget.attrs |= {"min": rule.least, "max": rule.most}


@admin.register(Lane)
class LaneAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = LaneForm
    list_display = ("name", "models", "rates", "at_once", "blocked", "estimates", "updated_at")
    readonly_fields = ("name", "models", "blocked", "estimates", "updated_at")
    actions = ("unblock",)
    fieldsets = (
        (None, {"fields": ("name", "models", "blocked", "estimates")}),
        (
            "What the provider allows",
            {"fields": ("requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute", "charge")},
        ),
        ("What people get", {"fields": ("concurrency", "user_concurrency", "user_queue", "queue_max")}),
        ("How it is used", {"fields": ("burst_s", "pace", "ramp_start", "adopt_higher", "handoff_s", "updated_at")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the catalogue's models make them

    def has_delete_permission(self, request: HttpRequest, obj: Lane | None = None) -> bool:
        """Only lanes that no model uses any more: the others would come back with what the settings say."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or obj.name not in lanes.names())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lane]:
        lane_rows.settings_of(lanes.names())  # a lane that is seen for the first time gets its row
        rows: QuerySet[Lane] = super().get_queryset(request)
        return rows

    def save_model(self, request: HttpRequest, obj: Lane, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(partial(self._apply, request, obj))

    def _apply(self, request: HttpRequest, lane: Lane) -> None:
        if not async_to_sync(lane_settings.apply)(lane.name, lane.limits()):
            self.message_user(request, f"Lane {lane.name}: {_LATER}", messages.WARNING)

    @admin.action(description="Unblock: let the selected lanes go on", permissions=["change"])
    def unblock(self, request: HttpRequest, rows: QuerySet[Lane]) -> None:
        for lane in rows:
            if async_to_sync(lane_settings.unblock)(lane.name):
                rows.filter(pk=lane.pk).update(blocked_reason="")
                self.message_user(request, f"The lane {lane.name} goes on.", messages.SUCCESS)
            else:
                sentence = "the waiting line cannot be reached just now, so it is still blocked. Try again."
                self.message_user(request, f"Lane {lane.name}: {sentence}", messages.ERROR)

    @admin.display(description="models")
    def models(self, lane: Lane) -> str:
        return ", ".join(entry.alias for entry in providers.catalogue() if lanes.of(entry) == lane.name) or "none"

    @admin.display(description="requests · input · output tokens per minute")
    def rates(self, lane: Lane) -> str:
        rates = (lane.requests_per_minute, lane.input_tokens_per_minute, lane.output_tokens_per_minute)
        return " · ".join(_NO_LIMIT if rate is None else f"{rate:,.12g}" for rate in rates)

    @admin.display(description="at once (per person)")
    def at_once(self, lane: Lane) -> str:
        most, own = (_NO_LIMIT if n is None else str(n) for n in (lane.concurrency, lane.user_concurrency))
        return f"{most} ({own})"

    @admin.display(description="announced waits")
    def estimates(self, lane: Lane) -> str:
        """What people were told in the last week, beside what came."""
        told = accuracy(lane.name, timezone.now() - ACCURACY_SPAN)
        if told.coverage is None:
            return "none in 7 days"
        off = "" if told.mae_s is None else f", off by {told.mae_s:.1f} s on average"
        return f"{told.count} in 7 days: {told.coverage:.0%} within the promise{off}"

    @admin.display(description="blocked")
    def blocked(self, lane: Lane) -> str:
        return lane.blocked_reason or "no"


@admin.register(TokenBudget)
class TokenBudgetAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Only people who may use more or less than everybody."""

    list_display = ("user", "tokens_per_day", "tokens_per_month", "cost_per_day", "cost_per_month")
    list_select_related = ("user",)
    search_fields = ("user__username", "user__email")
    autocomplete_fields = ("user",)

    def get_form(
        self, request: HttpRequest, obj: TokenBudget | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        settings = conf.get()
        sentence = "Tokens of questions and answers. Empty: as for everybody ({}). 0: no limit."
        help_texts = {
            "tokens_per_day": sentence.format(_tokens(settings.user_tokens_per_day)),
            "tokens_per_month": sentence.format(_tokens(settings.user_tokens_per_month)),
        }
        return super().get_form(request, obj, change, help_texts=help_texts, **kwargs)


@admin.register(TokenSpend)
class TokenSpendAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Counted by the engine, while people's tokens are limited."""

    list_display = ("user", "period", "used", "reserved")
    list_select_related = ("user",)
    search_fields = ("user__username", "=period")
    ordering = ("-period", "user")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: TokenSpend | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: TokenSpend | None = None) -> bool:
        return False


@admin.register(PriceOverride)
class PriceOverrideAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Prices that this site knows better than the library."""

    list_display = ("pattern", "valid_from", "input_per_million", "cached_per_million", "output_per_million", "note")
    search_fields = ("pattern", "note")
    ordering = ("pattern", "-valid_from")


def _tokens(limit: int | None) -> str:
    return f"{limit:,}" if limit else "no limit"
