"""Which models the environment offers, and how."""

from __future__ import annotations

from typing import Any

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from chatsite.offers import offered_auto, offered_models


def offers(monkeypatch: pytest.MonkeyPatch, **values: str) -> dict[str, dict[str, Any]]:
    for name in ("API_KEY", "BASE_URL", "DIALECT", "MODELS", "BACKGROUND"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
    for name in ("DEMO_LIMITS", "ANTHROPIC_LIMITS", "OPENAI_LIMITS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return {offer["alias"]: offer for offer in offered_models(environ.Env())}


def test_openai_keeps_nothing_unless_the_site_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = offers(monkeypatch, OPENAI_API_KEY="k", OPENAI_MODELS="m")["m"]
    assert "options" not in plain
    kept = offers(monkeypatch, OPENAI_API_KEY="k", OPENAI_MODELS="m", OPENAI_BACKGROUND="1")["m"]
    assert (kept["dialect"], kept["options"]) == ("responses", {"background": True})


def test_a_server_that_speaks_chat_completions_has_no_background_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    own = offers(monkeypatch, OPENAI_BASE_URL="http://h/v1", OPENAI_MODELS="m", OPENAI_BACKGROUND="1")["m"]
    assert (own["dialect"], own.get("options")) == ("chat", None)


def test_each_vendors_models_begin_with_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"DEMO_LIMITS": "concurrency=2", "ANTHROPIC_LIMITS": "requests_per_minute=50"}
    offered = offers(monkeypatch, **limits, ANTHROPIC_MODELS="a", OPENAI_MODELS="o", OPENAI_LIMITS="charge=reserve_max")
    assert offered["demo"]["limits"] == {"concurrency": 2}
    assert offered["a"]["limits"] == {"requests_per_minute": 50.0}
    assert offered["o"]["limits"] == {"charge": "reserve_max"}


@pytest.mark.parametrize("variable", ["DEMO_LIMITS", "ANTHROPIC_LIMITS", "OPENAI_LIMITS"])
def test_a_limit_that_makes_no_sense_is_refused_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with pytest.raises(
        ImproperlyConfigured, match=rf"{variable}: there is no limit 'rpm'\. Known: requests_per_minute"
    ):
        offers(monkeypatch, **{variable: "rpm=20"})


def auto(monkeypatch: pytest.MonkeyPatch, **values: str) -> dict[str, str]:
    for name in ("SMALL", "LARGE", "RULE"):
        monkeypatch.delenv(f"AUTO_{name}", raising=False)
    for name, value in values.items():
        monkeypatch.setenv(f"AUTO_{name}", value)
    return offered_auto(environ.Env())


def test_the_model_auto_needs_two_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert auto(monkeypatch) == {}
    assert auto(monkeypatch, SMALL="s", LARGE="l") == {"small": "s", "large": "l"}
    assert auto(monkeypatch, SMALL="s", LARGE="l", RULE="site.rule")["rule"] == "site.rule"
    with pytest.raises(ImproperlyConfigured, match="AUTO_SMALL and AUTO_LARGE go together"):
        auto(monkeypatch, SMALL="s")
