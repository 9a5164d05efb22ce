from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.continuation import Seam, Shown, asks_to_continue, continue_prompt
from streaming.errors import RunGone
from streaming.filters import Chain, CleanText
from streaming.prompt import Prompt, PromptMessage

ANSWER = (
    "The quick brown fox jumps over the lazy dog. Then it rests under a very old oak tree and thinks about hills, "
    "hello, hallo and hullo.\n\n    indented code = 1\n    indented code = 22\n\nTo be, or not to be: ha ha ha ha."
)


def joined(partial: str, deltas: list[str]) -> str:
    seam = Seam(partial)
    return partial + "".join(seam.feed(delta) for delta in deltas) + seam.flush()


def split(text: str, seed: int) -> list[str]:
    cuts = sorted(random.Random(seed).sample(range(len(text) + 1), k=min(9, len(text))))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@pytest.mark.parametrize("repeated", [0, 12, 50, 199, 200])
def test_it_closes_the_seam_however_much_of_the_tail_the_model_repeats(repeated: int) -> None:
    text = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz ", k=900))
    for seed in range(20):
        assert joined(text[:500], split(text[500 - repeated :], seed)) == text


def test_it_loses_nothing_at_any_cut_when_the_model_repeats_nothing() -> None:
    for cut in range(1, len(ANSWER)):
        assert joined(ANSWER[:cut], [ANSWER[cut:]]) == ANSWER


def test_it_keeps_rules_and_indentation_whole() -> None:
    text = "a table\n" + "-" * 60 + "\nrow"
    for cut in range(10, 60):
        assert joined(text[:cut], [text[cut:]]) == text


@given(st.text(max_size=300), st.lists(st.text(max_size=30), max_size=10), st.integers(0, 1000))
def test_deltas_may_be_split_anywhere(partial: str, deltas: list[str], seed: int) -> None:
    assert joined(partial, deltas) == joined(partial, split("".join(deltas), seed))


def test_the_first_delta_is_not_kept_back_when_it_repeats_nothing() -> None:
    assert Seam("The end of the text").feed("!") == "!"


def test_the_prompt_quotes_the_tail_and_can_be_recognised() -> None:
    prompt = Prompt((PromptMessage("user", "Tell me"),), system="Be kind", max_tokens=9)
    asked = continue_prompt(prompt, ANSWER)
    assert asks_to_continue(asked)
    assert not asks_to_continue(prompt)
    assert asked.messages[-2] == PromptMessage("assistant", ANSWER)
    assert asked.messages[-1].text.endswith(ANSWER[-200:])
    assert (asked.system, asked.max_tokens) == ("Be kind", 9)


ODD_TEXT = st.text(alphabet="ab \r\n\0é👩", max_size=80)


@given(ODD_TEXT, st.integers(0, 80), st.integers(0, 1000))
def test_reading_a_run_again_shows_exactly_what_was_not_shown_yet(run: str, shown_chars: int, seed: int) -> None:
    """Whatever was visible and however its deltas are cut the second time."""
    clean = Chain([CleanText()])
    whole = clean.feed(run) + clean.flush()
    shown = whole[:shown_chars]
    again = Chain([CleanText(), Shown(shown)])
    assert shown + "".join(again.feed(delta) for delta in split(run, seed)) + again.flush() == whole


@pytest.mark.parametrize("deltas", [["x"], ["Hel", "p"], ["Help!"]])
def test_another_text_is_never_taken_for_the_same_run(deltas: list[str]) -> None:
    shown = Shown("Hello")
    with pytest.raises(RunGone):
        assert "".join(shown.feed(delta) for delta in deltas) == ""
