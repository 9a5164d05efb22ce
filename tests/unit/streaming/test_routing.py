"""Which questions the model "auto" gives to the large model."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from streaming import routing
from streaming.routing import Question, choose, is_offered, needs_large

MODELS = tuple({"alias": alias, "label": alias, "provider": "demo", "model": alias} for alias in ("mini", "maxi"))
AUTO = {"small": "mini", "large": "maxi"}


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.STREAMING = {"models": MODELS, "auto": AUTO}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello!",
        "What is the capital of France?",
        "Really?? And why?!",
        "Translate `print(1)` into Ruby.",
        "The proverb about a designer? I improved it.",
        "x" * 1000,
    ],
)
def test_a_simple_question_is_for_the_small_model(text: str) -> None:
    assert not needs_large(Question(text, earlier=20))
    assert choose(Question(text)) == "mini"


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1001,
        "Why does this fail?\n```python\nprint(1)\n```",
        "Look:\n  ~~~\ncode\n~~~",
        "Who? When? Where?",
        "谁？何时？哪里？",
        "Prove that there are infinitely many primes.",
        "ANALYSE this poem",
        "Please analyze it",
        "Do it step-by-step.",
        "What are the trade-offs of each",
        "Find the root cause",
    ],
)
def test_what_asks_for_thought_is_for_the_large_model(text: str) -> None:
    assert needs_large(Question(text))
    assert choose(Question(text)) == "maxi"


def test_a_long_conversation_is_for_the_large_model() -> None:
    assert needs_large(Question("And then?", earlier=21))


def even(question: Question) -> bool:
    return len(question.text) % 2 == 0


def broken(question: Question) -> bool:
    raise LookupError(question.text)


def test_a_site_may_have_a_rule_of_its_own(settings: Any) -> None:
    settings.STREAMING = {"models": MODELS, "auto": AUTO | {"rule": f"{__name__}.even"}}
    assert [choose(Question("x" * length)) for length in (1, 2)] == ["mini", "maxi"]


@pytest.mark.parametrize("rule", [f"{__name__}.broken", f"{__name__}.missing"])
def test_a_rule_that_fails_means_the_large_model_and_a_line_in_the_log(
    settings: Any, caplog: pytest.LogCaptureFixture, rule: str
) -> None:
    settings.STREAMING = {"models": MODELS, "auto": AUTO | {"rule": rule}}
    with caplog.at_level(logging.ERROR, routing.log.name):
        assert choose(Question("secret words")) == "maxi"
    assert "the large model answers" in caplog.messages[0]
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("change", "offered"),
    [
        ({}, True),
        ({"auto": {}}, False),
        ({"models": (MODELS[0] | {"unavailable": "No key."}, MODELS[1])}, False),
        ({"models": MODELS[:1]}, False),
    ],
)
def test_it_is_offered_where_both_models_can_be_used(settings: Any, change: dict[str, Any], offered: bool) -> None:
    settings.STREAMING = {"models": MODELS, "auto": AUTO} | change
    assert is_offered() is offered
