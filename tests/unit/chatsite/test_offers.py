"""Which models the environment offers, and how."""

from __future__ import annotations

from typing import Any

import environ
import pytest

from chatsite.offers import offered_models


def offers(monkeypatch: pytest.MonkeyPatch, **values: str) -> dict[str, dict[str, Any]]:
    for name in ("API_KEY", "BASE_URL", "DIALECT", "MODELS", "BACKGROUND"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
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
