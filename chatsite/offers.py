"""Which models a site offers, from the environment: the demo model always, others when their key is set."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from streaming.limit_rules import parse_limits
from streaming.price_rules import check_price

# Names and dialects of November 2026; ANTHROPIC_MODELS and OPENAI_MODELS replace them without a change here.
ANTHROPIC_MODELS = ["claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5"]
OPENAI_MODELS = ["gpt-6.1-sol", "gpt-6-luna"]


def offered_models(env: environ.Env) -> tuple[dict[str, Any], ...]:
    """Keyword arguments of `ModelEntry`, in the order of the model picker; the first available one is the default.

    A model without a key stays in the list with `unavailable` saying why, so that people see what could be had.
    """
    offers = [*_anthropic(env), *_openai(env)]
    if env.bool("DEMO_MODEL", default=True):
        demo = {"alias": "demo", "label": "Demo (no key needed)", "provider": "demo", "model": "demo"}
        demo |= _limits("DEMO_LIMITS", env.str("DEMO_LIMITS", default=""))
        demo |= _price("DEMO_PRICE", env.str("DEMO_PRICE", default=""))
        offers.append({**demo, "options": {"tokens_per_second": env.float("DEMO_TOKENS_PER_SECOND", default=25.0)}})
    offers.sort(key=lambda offer: bool(offer.get("unavailable")))
    return tuple(offers)


def offered_auto(env: environ.Env) -> dict[str, str]:
    """The model "auto": which of two others answers is decided per question (`streaming.routing`). Empty: no such."""
    auto = {"small": env.str("AUTO_SMALL", default=""), "large": env.str("AUTO_LARGE", default="")}
    if not any(auto.values()):
        return {}
    if not all(auto.values()):
        raise ImproperlyConfigured(
            "AUTO_SMALL and AUTO_LARGE go together: the model for simple questions, and the other."
        )
    rule = env.str("AUTO_RULE", default="")
    return auto | ({"rule": rule} if rule else {})


def _limits(variable: str, text: str) -> dict[str, Any]:
    """Where the lanes of a vendor's models begin; each model has its own. Later changes are made in the admin."""
    try:
        limits = parse_limits(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable}: {error}.") from None
    return {"limits": limits} if limits else {}


def _price(variable: str, text: str) -> dict[str, Any]:
    """What a vendor's models cost here, for all of them: "input=3,output=15,cached=0.3" in US dollars per million."""
    try:
        price = {name.strip(): value for name, _, value in (pair.partition("=") for pair in text.split(",") if pair)}
        if price:
            check_price(price)
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable}: {error}.") from None
    return {"price": price} if price else {}


def _anthropic(env: environ.Env) -> list[dict[str, Any]]:
    key = env.str("ANTHROPIC_API_KEY", default="")
    common = {
        "provider": "anthropic",
        "api_key": key,
        "base_url": env.str("ANTHROPIC_BASE_URL", default="") or None,
        "unavailable": None if key else "ANTHROPIC_API_KEY is not set on this server.",
        **_limits("ANTHROPIC_LIMITS", env.str("ANTHROPIC_LIMITS", default="")),
        **_price("ANTHROPIC_PRICE", env.str("ANTHROPIC_PRICE", default="")),
    }
    names = env.list("ANTHROPIC_MODELS", default=ANTHROPIC_MODELS)
    return [{"alias": name, "label": name, "model": name, **common} for name in names]


def _openai(env: environ.Env) -> list[dict[str, Any]]:
    key, base_url = env.str("OPENAI_API_KEY", default=""), env.str("OPENAI_BASE_URL", default="")
    # A server of one's own (vLLM, Ollama, llama.cpp) speaks chat completions and often needs no key.
    dialect = env.str("OPENAI_DIALECT", default="chat" if base_url else "responses")
    common: dict[str, Any] = {
        "provider": "openai",
        "dialect": dialect,
        "api_key": key or ("none" if base_url else ""),
        "base_url": base_url or None,
        "unavailable": None if key or base_url else "OPENAI_API_KEY is not set on this server.",
        **_limits("OPENAI_LIMITS", env.str("OPENAI_LIMITS", default="")),
        **_price("OPENAI_PRICE", env.str("OPENAI_PRICE", default="")),
    }
    if dialect == "responses" and env.bool("OPENAI_BACKGROUND", default=False):
        common["options"] = {"background": True}
    names = env.list("OPENAI_MODELS", default=OPENAI_MODELS)
    return [{"alias": name, "label": name, "model": name, **common} for name in names]
