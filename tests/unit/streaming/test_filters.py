from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streaming.errors import Vetoed
from streaming.filters import BannedPhrases, Chain, CleanText, Filter, SecretRedactor

# Built from parts: this file must not look like a leak itself.
KEY = "sk-" + "ant-" + "a1B2_c3-D4" * 4
KEYS = [
    KEY,
    "sk-" + "proj-" + "Q" * 40,
    "gh" + "p_" + "9" * 36,
    "AK" + "IA" + "A1B2C3D4E5F6G7H8",
    "xo" + "xb-" + "1" * 24,
]

ODD_TEXT = st.text(st.sampled_from(["a", "b", " ", "\r", "\n", "\0", "\ud83d", "\ude00", "é", "漢"]), max_size=12)
SECRET_TEXT = st.lists(st.sampled_from([*KEYS, "sk-", "ant", "-", "_", "x", " ", "\n", "漢", "="]), max_size=12).map(
    "".join
)
BANNED_TEXT = st.text(st.sampled_from("abcABC İςΣσ"), max_size=14)
PHRASES = ["abcab", "bca", "aab", "c c", "σσ"]


def splits(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    """A text as the deltas of some vendor."""

    def cut(text: str) -> st.SearchStrategy[list[str]]:
        places = st.lists(st.integers(0, len(text)), max_size=6).map(sorted)
        return places.map(lambda at: [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)])

    return texts.flatmap(cut)


def passed(one: Filter | Chain, deltas: Sequence[str]) -> tuple[str, bool]:
    """What comes out of a filter, and whether it vetoed."""
    out = ""
    try:
        for delta in deltas:
            out += one.feed(delta)
        return out + one.flush(), False
    except Vetoed as veto:
        return out + veto.allowed, True


@given(splits(ODD_TEXT))
@example(["\ud83d\0", "\ude00"])
@example(["\r\0", "\n"])
def test_cleaning_does_not_depend_on_the_deltas(deltas: list[str]) -> None:
    cleaned, _ = passed(CleanText(), deltas)
    assert cleaned == passed(CleanText(), ["".join(deltas)])[0]
    assert not set(cleaned) & {"\r", "\0"}
    assert cleaned.encode().decode() == cleaned


@pytest.mark.parametrize(
    ("deltas", "text"),
    [
        (["a\r", "\nb"], "a\nb"),
        (["a\r", "b\r"], "a\nb\n"),
        (["\r\r\n"], "\n\n"),
        (["no\0thing"], "nothing"),
        (["\ud83d", "\ude00"], "😀"),
        (["\ud83d", "x"], "\ufffdx"),
        (["\ude00\ud83d"], "\ufffd\ufffd"),
        (["", "", "plain"], "plain"),
    ],
)
def test_line_ends_nul_and_surrogates_are_cleaned(deltas: list[str], text: str) -> None:
    assert passed(CleanText(), deltas) == (text, False)


def test_clean_text_passes_at_once() -> None:
    assert CleanText().feed("as it is") == "as it is"


@given(splits(SECRET_TEXT))
def test_redaction_does_not_depend_on_the_deltas(deltas: list[str]) -> None:
    assert passed(SecretRedactor(), deltas) == passed(SecretRedactor(), ["".join(deltas)])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("around", ["{}", "key={}\n", "« {} »", "钥匙是{}。", '{{"token":"{}"}}'])
def test_a_key_is_replaced_letter_by_letter_too(key: str, around: str) -> None:
    redacted, _ = passed(SecretRedactor("***"), list(around.format(key)))
    assert redacted == around.format("***")


def test_a_key_is_found_in_text_without_blanks() -> None:
    text = "字" * 600 + KEY + "字" * 600
    assert passed(SecretRedactor("***"), [text[i : i + 7] for i in range(0, len(text), 7)])[0] == text.replace(
        KEY, "***"
    )


def test_text_that_can_be_no_part_of_a_key_is_not_held_back() -> None:
    assert SecretRedactor().feed("今日は、") == "今日は、"


def test_an_endless_word_is_not_held_back_for_ever() -> None:
    redactor = SecretRedactor()
    out = "".join(redactor.feed("x" * 100) for _ in range(10))
    assert len(out) >= 480


@given(splits(BANNED_TEXT))
@example(["abc", "ab"])
@example(["ABİBCA"])
def test_a_banned_phrase_is_found_whatever_the_deltas_and_never_shown(deltas: list[str]) -> None:
    shown, vetoed = passed(BannedPhrases(PHRASES), deltas)
    assert (shown, vetoed) == passed(BannedPhrases(PHRASES), ["".join(deltas)])
    text = "".join(deltas)
    assert text.startswith(shown)
    assert vetoed or shown == text
    folded = shown.replace("Σ", "σ").replace("ς", "σ").lower()
    assert not any(phrase in folded for phrase in PHRASES)


def test_no_letter_of_a_phrase_that_is_completed_is_shown() -> None:
    banned = BannedPhrases(["forbidden word"])
    out = "".join(banned.feed(letter) for letter in "This is a forbidden wor")
    assert out == "This is a "
    with pytest.raises(Vetoed) as vetoed:
        banned.feed("d and more")
    assert vetoed.value.allowed == ""


def test_a_veto_says_its_reason() -> None:
    with pytest.raises(Vetoed, match="Not here"):
        BannedPhrases(["x"], message="Not here.").feed("x")


class Shouting:
    """Keeps the last letter back, like any filter that must look ahead."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        text = self._held + text
        self._held = text[-1:]
        return text[:-1].upper()

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held.upper()


Make = Callable[[], list[Filter]]
CHAINS: list[Make] = [
    lambda: [CleanText(), BannedPhrases(["stop here"]), Shouting()],
    lambda: [CleanText(), Shouting(), BannedPhrases(["stop here"])],
    lambda: [CleanText(), SecretRedactor(), BannedPhrases(["stop here"]), Shouting()],
]


@pytest.mark.parametrize("make", CHAINS)
@given(deltas=splits(st.sampled_from(["Please stop here now", "stop here", "no stop", "please stop here"])))
def test_what_is_allowed_before_a_veto_passes_the_filters_after_it(make: Make, deltas: list[str]) -> None:
    text = "".join(deltas)
    shown, vetoed = passed(Chain(make()), deltas)
    assert vetoed is ("stop here" in text)
    assert shown == text.partition("stop here")[0].upper()


def test_a_phrase_that_only_the_end_completes_is_vetoed_at_the_end() -> None:
    chain = Chain([SecretRedactor(), BannedPhrases(["the end"])])
    assert chain.feed("this is the end") == "this is "
    with pytest.raises(Vetoed) as vetoed:
        chain.flush()
    assert vetoed.value.allowed == ""


def test_a_second_veto_after_a_first_keeps_what_both_allow() -> None:
    chain = Chain([BannedPhrases(["two"]), BannedPhrases(["one"])])
    with pytest.raises(Vetoed) as vetoed:
        chain.feed("zero one two")
    assert vetoed.value.allowed == "zero "
