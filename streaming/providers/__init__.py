"""The models on offer, and the connections to those who run them.

A vendor's module (and its SDK, about a second of imports) is loaded when its first model is used, or by `preload`.
"""

from __future__ import annotations

import asyncio
import importlib
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.core.exceptions import ImproperlyConfigured

from streaming import conf
from streaming.errors import Refused, Sentence
from streaming.limit_rules import check_limits
from streaming.price_rules import check_price
from streaming.providers.base import ModelEntry, Provider

#: Name in settings → module. Each has `open_provider(entry, settings) -> Provider`.
MODULES = {
    "anthropic": "streaming.providers.anthropic",
    "openai": "streaming.providers.openai",
    "demo": "streaming.providers.demo",
}
UNKNOWN: Final = "There is no model %(model)s here."
KNOWN: Final = "Known models: %(models)s."
DIALECTS = ("chat", "responses")
LANE_MAX_CHARS = 120
#: What of `prompt.Sampling` a vendor's models take, by dialect. A model's `options["parameters"]` says otherwise for
#: itself: OpenAI's reasoning models, for example, refuse a temperature. The demo model knows one word for each place,
#: whatever the temperature.
PARAMETERS = {
    ("anthropic", "chat"): frozenset({"stop"}),
    ("openai", "chat"): frozenset({"temperature", "top_p", "seed", "stop"}),
    ("openai", "responses"): frozenset({"temperature", "top_p"}),
    ("demo", "chat"): frozenset({"temperature", "top_p", "seed", "stop"}),
}

#: One connection belongs to one loop: HTTP clients cannot be shared between loops.
_open: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str | None, str], Provider]] = WeakKeyDictionary()


#: The settings that the entries were made from, and the entries: every question asks for them several times.
_known: tuple[conf.StreamingSettings, tuple[ModelEntry, ...]] | None = None


def catalogue() -> tuple[ModelEntry, ...]:
    """All models, also those that cannot be used here. Raises ImproperlyConfigured with a sentence for the operator."""
    global _known
    settings = conf.get()
    if _known is None or _known[0] is not settings:
        _known = settings, _entries(settings.models)
    return _known[1]


def _entries(models: Iterable[dict[str, Any]]) -> tuple[ModelEntry, ...]:
    entries = tuple(_entry(model) for model in models)
    twice = [alias for alias, count in Counter(entry.alias for entry in entries).items() if count > 1]
    if twice:
        raise ImproperlyConfigured(f"STREAMING['models']: {twice[0]!r} is the alias of two models.")
    return entries


def find(alias: str) -> ModelEntry:
    """The usable model of this name. Raises Refused (`unknown_model`, `model_unavailable`)."""
    entries = catalogue()
    entry = next((entry for entry in entries if entry.alias == alias), None)
    if entry is None:
        known = ", ".join(entry.alias for entry in entries) or "–"
        words = [Sentence(UNKNOWN, {"model": repr(alias[:100])}), Sentence(KNOWN, {"models": known})]
        raise Refused(words, code="unknown_model")
    if entry.unavailable:
        raise Refused(entry.unavailable, code="model_unavailable")
    return entry


def parameters(entry: ModelEntry) -> frozenset[str]:
    """The fields of `prompt.Sampling` that may be said to this model."""
    own = entry.options.get("parameters")
    return PARAMETERS.get((entry.provider, entry.dialect), frozenset()) if own is None else frozenset(own)


def get_provider(entry: ModelEntry) -> Provider:
    """The connection of `entry`'s vendor, address and key in the running loop; opened on first use."""
    providers = _open.setdefault(asyncio.get_running_loop(), {})
    key = (entry.provider, entry.base_url, entry.api_key)
    if key not in providers:
        providers[key] = importlib.import_module(MODULES[entry.provider]).open_provider(entry, conf.get())
    return providers[key]


def open_all() -> None:
    """The connections of all usable models: certificates take 30 ms to read, for which neither a first question should
    wait nor anybody whose text is on its way then."""
    for entry in catalogue():
        if not entry.unavailable:
            get_provider(entry)


async def aclose_all() -> None:
    """Closes the running loop's connections."""
    providers = _open.pop(asyncio.get_running_loop(), {})
    await asyncio.gather(*(provider.aclose() for provider in providers.values()))


def preload() -> None:
    """Loads the modules of all usable models. A worker calls it before it serves: an import stops all its streams."""
    for name in {entry.provider for entry in catalogue() if not entry.unavailable}:
        importlib.import_module(MODULES[name])


def _entry(model: dict[str, Any]) -> ModelEntry:
    alias = model.get("alias", "?")
    try:
        entry = ModelEntry(**model)
    except TypeError as error:
        # The words of Python's own message: which key is missing or not known.
        raise ImproperlyConfigured(f"STREAMING['models'], {alias!r}: {error}.") from None
    if entry.provider not in MODULES:
        raise ImproperlyConfigured(
            f"STREAMING['models'], {alias!r}: there is no provider {entry.provider!r}. Known: {', '.join(MODULES)}."
        )
    if entry.dialect not in DIALECTS:
        raise ImproperlyConfigured(
            f"STREAMING['models'], {alias!r}: there is no dialect {entry.dialect!r}. Known: {', '.join(DIALECTS)}."
        )
    _check_lane(entry)
    return entry


def _check_lane(entry: ModelEntry) -> None:
    if len(entry.lane) > LANE_MAX_CHARS or set(entry.lane) & set("{}"):
        raise ImproperlyConfigured(
            f"STREAMING['models'], {entry.alias!r}: a lane's name has no braces, at most {LANE_MAX_CHARS} characters."
        )
    try:
        check_limits(entry.limits)
    except ValueError as error:
        raise ImproperlyConfigured(f"STREAMING['models'], {entry.alias!r}, limits: {error}.") from None
    try:
        if entry.price:
            check_price(entry.price)
    except ValueError as error:
        raise ImproperlyConfigured(f"STREAMING['models'], {entry.alias!r}, price: {error}.") from None
