"""What tokens cost, in millionths of a US dollar; None where no price is known, which is never taken for nothing.

In this order: the newest `PriceOverride` in force that fits, the `price` of the model's entry in the settings, the
library genai-prices (its bundled data, no network), where a model with an address of its own counts as the vendor that
the library knows behind that address, or as unknown. Sync.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from django.db.models.signals import post_delete, post_save

from streaming import providers
from streaming.errors import StreamingError
from streaming.models import PriceOverride
from streaming.providers.base import ModelEntry, Usage

FRESH_S: Final = 30.0
"""How old a process's picture of the overrides may be: they are read once in that time, not with every answer."""
PRICED: Final = ("anthropic", "openai")
"""Our providers whose names the library knows."""


class Cost(NamedTuple):
    micro: int | None
    source: str = ""


UNKNOWN: Final = Cost(None)


@dataclass(slots=True)
class _Known:
    at: float = float("-inf")
    overrides: tuple[PriceOverride, ...] = ()


_known = _Known()


def cost(alias: str, usage: Usage, at: datetime) -> Cost:
    """Of tokens that a model used at a time."""
    if not usage.input_tokens and not usage.output_tokens:
        return UNKNOWN
    override = _override(alias, at.astimezone(UTC).date())
    if override is not None:
        per_million = (override.input_per_million, override.cached_per_million, override.output_per_million)
        return Cost(_linear(usage, *per_million), f"override {override.pattern} {override.valid_from}"[:60])
    entry = next((entry for entry in providers.catalogue() if entry.alias == alias), None)
    if entry is None:
        return UNKNOWN
    if entry.price:
        return Cost(_linear(usage, *_entry_price(entry.price)), "settings")
    return _bundled(entry, usage, at)


def most(entry: ModelEntry, input_tokens: int, output_tokens: int, at: datetime) -> int:
    """The most that a request may cost; 0 if its price is unknown: money cannot limit what has none."""
    try:
        return cost(entry.alias, Usage(input_tokens, output_tokens), at).micro or 0
    except StreamingError:
        return 0


def preload() -> None:
    """The library's data take a third of a second: a process loads them before it serves. Whatever is asked loads."""
    import genai_prices

    with contextlib.suppress(LookupError):
        genai_prices.calc_price(genai_prices.Usage(input_tokens=1), model_ref="gpt-4o", provider_id="openai")


def forget(**_: Any) -> None:
    """An override was changed in this process; others see it within `FRESH_S`."""
    global _known
    _known = _Known()


post_save.connect(forget, sender=PriceOverride)
post_delete.connect(forget, sender=PriceOverride)


def _entry_price(price: Mapping[str, Any]) -> tuple[Decimal, Decimal | None, Decimal]:
    cached = price.get("cached")
    return Decimal(str(price["input"])), None if cached is None else Decimal(str(cached)), Decimal(str(price["output"]))


def _override(alias: str, day: date) -> PriceOverride | None:
    fitting = [
        override
        for override in _overrides()
        if override.valid_from <= day and (override.pattern == alias or fnmatchcase(alias, override.pattern))
    ]
    return max(fitting, key=lambda one: (one.pattern == alias, one.valid_from, len(one.pattern)), default=None)


def _overrides() -> tuple[PriceOverride, ...]:
    global _known
    if time.monotonic() - _known.at > FRESH_S:
        _known = _Known(time.monotonic(), tuple(PriceOverride.objects.all()))
    return _known.overrides


def _linear(usage: Usage, read: Decimal, cached: Decimal | None, written: Decimal) -> int:
    """Dollars per million tokens are millionths of a dollar per token."""
    from_cache = min(usage.cached_tokens, usage.input_tokens)
    fresh = usage.input_tokens - from_cache
    whole = fresh * read + from_cache * (read if cached is None else cached) + usage.output_tokens * written
    return int(whole.to_integral_value(ROUND_HALF_EVEN))


def _bundled(entry: ModelEntry, usage: Usage, at: datetime) -> Cost:
    if entry.provider not in PRICED:
        return UNKNOWN
    import genai_prices

    tokens = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    if usage.cached_tokens:
        tokens["cache_read_tokens"] = min(usage.cached_tokens, usage.input_tokens)
    where: dict[str, Any] = {"provider_api_url": entry.base_url} if entry.base_url else {"provider_id": entry.provider}
    try:
        found = genai_prices.calc_price(
            genai_prices.Usage(**tokens), model_ref=entry.model, genai_request_timestamp=at, **where
        )
    except (LookupError, ValueError):
        return UNKNOWN
    micro = (found.total_price * 1_000_000).to_integral_value(ROUND_HALF_EVEN)
    return Cost(int(micro), f"genai-prices {found.provider.id}/{found.model.id}"[:60])
