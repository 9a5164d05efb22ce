"""What the server says with values, in the reader's language, also where a row keeps it as one text."""

from __future__ import annotations

import pytest
from django.utils import translation

from chat.wording import said, worded
from streaming.budget_refusals import ASK_LESS, ASKED, HELD, LEFT, MORE_IN_DAYS, NEVER
from streaming.errors import Sentence

NEVER_FITS = [Sentence(NEVER["own", "day"], {"asked": 1001, "whole": 1000}), Sentence(ASK_LESS, {})]
NOT_NOW = [
    Sentence(LEFT["site", "micro", "month"], {"whole": "$1,001.50", "left": "$0.60"}),
    Sentence(HELD, {"held": "$0.90"}),
    Sentence(ASKED, {"asked": "$0.70"}),
    Sentence(MORE_IN_DAYS, {"days": 26}),
]


@pytest.mark.parametrize("sentences", [NEVER_FITS, NOT_NOW], ids=["never", "not now"])
def test_a_text_with_values_says_what_its_sentences_say(sentences: list[Sentence]) -> None:
    row = " ".join(map(str, sentences))
    assert said(row) == row
    with translation.override("de"):
        assert said(row) == worded(sentences)
        assert said(row) != row


def test_numbers_are_written_as_the_reader_does() -> None:
    with translation.override("de"):
        assert said(" ".join(map(str, NEVER_FITS))) == (
            "Diese Frage kann bis zu 1.001 verbrauchen, aber dein ganzes Budget für heute ist 1.000. "
            "Frage kürzer oder ein anderes Modell."
        )
        assert said("The model's provider was silent for 60 seconds.").endswith("60 Sekunden lang nichts.")


@pytest.mark.parametrize(
    "message", ["", "Our own words.", f"Our own words. {ASK_LESS}", f"{ASK_LESS} And 5 more", "x" * 400]
)
def test_what_is_not_made_of_known_sentences_stays_as_it_is(message: str) -> None:
    with translation.override("de"):
        assert said(message) == message
