"""How much people may use, and used; and what tokens cost."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from streaming import conf
from streaming.admin_base import ModelAdmin, Numbers
from streaming.models import PriceOverride, TokenBudget, TokenSpend


@admin.register(TokenBudget)
class TokenBudgetAdmin(ModelAdmin):  # type: ignore[type-arg]
    """Only people who may use more or less than everybody."""

    list_display = ("user", "tokens_per_day", "tokens_per_month", "cost_per_day", "cost_per_month")
    list_select_related = ("user",)
    search_fields = ("user__username", "user__email")
    autocomplete_fields = ("user",)

    def get_form(
        self, request: HttpRequest, obj: TokenBudget | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        settings = conf.get()
        sentence = _("Tokens of questions and answers. Empty: as for everybody ({}). 0: no limit.")
        help_texts = {
            "tokens_per_day": sentence.format(_tokens(settings.user_tokens_per_day)),
            "tokens_per_month": sentence.format(_tokens(settings.user_tokens_per_month)),
        }
        return super().get_form(request, obj, change, help_texts=help_texts, **kwargs)


@admin.register(TokenSpend)
class TokenSpendAdmin(Numbers, ModelAdmin):  # type: ignore[type-arg]
    """Counted by the engine, while people's tokens are limited."""

    list_display = ("user", "period", "used", "held")
    fields = readonly_fields = ("user", "period", "used", "held")
    list_select_related = ("user",)
    search_fields = ("user__username", "=period")
    ordering = ("-period", "user")

    @admin.display(description=gettext_lazy("held for answers that run"), ordering="reserved")
    def held(self, spend: TokenSpend) -> int:
        return spend.reserved


def _tokens(limit: int | None) -> str:
    return f"{limit:,}" if limit else _("no limit")


@admin.register(PriceOverride)
class PriceOverrideAdmin(ModelAdmin):  # type: ignore[type-arg]
    """Prices that this site knows better than the library."""

    list_display = ("pattern", "valid_from", "input_per_million", "cached_per_million", "output_per_million", "note")
    search_fields = ("pattern", "note")
    ordering = ("pattern", "-valid_from")
