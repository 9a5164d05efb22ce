"""Budgets in the words of the pages."""

from __future__ import annotations

from django.utils.translation import gettext

from streaming.budget_limits import Share


def amount(unit: str, number: int) -> str:
    return f"${number / 1_000_000:,.2f}" if unit == "micro" else f"{number:,}"


def sentence(share: Share) -> str:
    """How much of a budget is gone."""
    if share.is_site:
        words = gettext("Everybody here together has used {percent} % of the {whole} {unit} for {period}.")
    else:
        words = gettext("You have used {percent} % of your {whole} {unit} for {period}.")
    unit = gettext("US dollars") if share.unit == "micro" else gettext("tokens")
    whole = amount(share.unit, share.whole).lstrip("$")
    return words.format(percent=share.percent, whole=whole, unit=unit, period=share.limit.words)
