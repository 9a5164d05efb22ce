"""What one attempt used, and who says so."""

from __future__ import annotations

from streaming.events import Delta, Position, UsageReported
from streaming.prompt import Prompt, PromptMessage
from streaming.providers.base import Usage
from streaming.spending import Spending

PROMPT = Prompt(messages=(PromptMessage("user", "four" * 5),))


def reported(attempt: int, output: int) -> UsageReported:
    position = Position(attempt, 9)
    return UsageReported(generation="g", position=position, input_tokens=7, output_tokens=output, cached_tokens=2)


def test_the_provider_knows_best() -> None:
    spending = Spending(PROMPT)
    spending.reported = Usage(9, 4, 1)
    assert spending.of("any text") == (Usage(9, 4, 1), "provider")


def test_else_we_count_what_was_asked_and_answered() -> None:
    assert Spending(PROMPT).of("eight ch") == (Usage(5, 2), "counted")


def test_a_prompt_that_was_read_costs_without_an_answer() -> None:
    assert Spending(PROMPT).of("") == (Usage(5, 0), "counted")


def test_who_was_not_asked_or_refused_charges_nothing() -> None:
    assert Spending(PROMPT).of(None) == (None, "")


def test_going_on_asks_more() -> None:
    spending = Spending(PROMPT)
    spending.prompt = Prompt(messages=(*PROMPT.messages, PromptMessage("assistant", "four" * 3)))
    assert spending.of("") == (Usage(8, 0), "counted")
    assert spending.found("text").input_tokens == 5  # what the attempt before was asked


def test_the_log_tells_what_the_vendor_counted_for_a_lost_attempt() -> None:
    spending = Spending(PROMPT)
    text = Delta(generation="g", position=Position(1, 2), text="Tea")
    spending.read_log([text, reported(1, 3), reported(2, 5)])
    assert spending.found("Tea").seen == {1: Usage(7, 3, 2), 2: Usage(7, 5, 2)}


def test_its_event_has_the_providers_count() -> None:
    spending = Spending(PROMPT)
    spending.reported = Usage(7, 3, 2)
    assert spending.event("g")(Position(4, 9)) == reported(4, 3)
