"""A line around what was searched for: where it begins and ends, and what it leaves out."""

from __future__ import annotations

import re

import pytest

from chat.excerpts import EXCERPT_CHARS, excerpt

HIT = re.compile("needle", re.IGNORECASE)


def line(text: str, *, is_markdown: bool = False) -> str:
    return "".join(piece.text for piece in excerpt(text, HIT, is_markdown=is_markdown))


@pytest.mark.parametrize("is_markdown", [True, False])
def test_it_begins_with_a_whole_word_and_marks_every_hit(is_markdown: bool) -> None:
    text = "haystack " * 300 + "a needle and a Needle" + " haystack" * 300
    pieces = excerpt(text, HIT, is_markdown=is_markdown)
    assert pieces[0].text.startswith("…haystack ")
    assert [piece.text for piece in pieces if piece.is_hit] == ["needle", "Needle"]
    assert len(line(text, is_markdown=is_markdown)) <= EXCERPT_CHARS + 2


def test_it_ends_with_a_whole_word_after_the_hit() -> None:
    assert line("a needle " + "haystack " * 300).endswith(" haystack…")
    assert line("needle" + "x" * 5000).endswith("x…")


def test_a_long_word_is_cut_and_the_hit_stays_in_sight() -> None:
    assert "needle" in line("x" * 5000 + "needle" + "x" * 5000)
    assert "needle" in line("x" * 5000 + "needle" + "x" * 5000, is_markdown=True)


def test_signs_far_before_the_hit_and_within_it_are_left_out() -> None:
    far = "**Intro** and *more*.\n\n" * 100 + "Now the **needle** in `a stack`"
    assert line(far, is_markdown=True).endswith("Now the needle in a stack")
    assert "*" not in line(far, is_markdown=True)


def test_a_hit_that_is_no_word_of_the_text_is_shown_as_it_was_written() -> None:
    assert (
        line("See [this](https://example.org/needle).", is_markdown=True) == "See [this](https://example.org/needle)."
    )


def test_what_is_short_is_shown_whole() -> None:
    assert line("a\n needle") == "a needle"
    assert line("nothing of it") == "nothing of it"
