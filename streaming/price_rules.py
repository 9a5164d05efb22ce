"""What a model's price in the settings may be: {"input", "output", "cached"}, US dollars per million tokens. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any


def check_price(price: Mapping[str, Any]) -> None:
    """Raises ValueError with a sentence for the operator."""
    if unknown := sorted(price.keys() - {"input", "output", "cached"}):
        raise ValueError(f"a price has no {unknown[0]!r}, only input, output and cached")
    if not {"input", "output"} <= price.keys():
        raise ValueError("a price needs input and output, in US dollars per million tokens")
    try:
        values = [Decimal(str(value)) for value in price.values()]
    except InvalidOperation:
        raise ValueError("a price is a number of US dollars per million tokens") from None
    if any(not value.is_finite() or value < 0 for value in values):
        raise ValueError("a price must not be negative")
