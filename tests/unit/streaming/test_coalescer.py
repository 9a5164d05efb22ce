from __future__ import annotations

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from streaming.coalescer import BOUNDARY_MAX_CHARS, CHUNK_MAX_CHARS, CLUSTER_MAX_CHARS, Coalescer, last_cluster

FAMILY, FLAG, THUMB, HAN = "👩‍👩‍👧", "🇩🇪", "👍🏽", "한"
PIECES = [
    "a",
    "B",
    " ",
    ".",
    "\n",
    "漢",
    "か",
    "한",
    "e\u0301",
    "ᄒ",
    "ᅡ",
    "ᆫ",
    "न",
    "ि",
    "\u200d",
    "👩",
    "👧",
    "🏽",
    "🇩",
    "🇪",
    "️",
]
TEXT = st.lists(st.sampled_from([*PIECES, FAMILY, FLAG, THUMB]), max_size=40).map("".join)
#: Shown at once although a mark may follow: the exception that the module names.
SHOWN_AT_ONCE = regex.compile(r"[\x00-\x7f\p{Latin}\p{Han}\p{Hiragana}\p{Katakana}가-힣]\Z")


def make(boundary: str = "time", window_s: float = 0.033, chunk_max_chars: int = 4096) -> Coalescer:
    return Coalescer(window_s=window_s, chunk_max_chars=chunk_max_chars, boundary=boundary)


def rest(coalescer: Coalescer) -> list[str]:
    chunks = []
    while not coalescer.empty:
        chunks.append(coalescer.flush(99.0))
    return chunks


def chunks_of(coalescer: Coalescer, deltas: list[str]) -> list[str]:
    """A chunk after every delta, then what is left."""
    chunks = []
    for number, delta in enumerate(deltas):
        coalescer.push(delta)
        chunks.append(coalescer.take(float(number)))
    return [*chunks, *rest(coalescer)]


def ends_of_clusters(text: str) -> set[int]:
    return {match.end() for match in regex.finditer(r"\X", text)} | {0}


@pytest.mark.parametrize("boundary", ["time", "word", "sentence"])
@given(deltas=st.lists(TEXT, max_size=12))
def test_the_chunks_are_the_text(boundary: str, deltas: list[str]) -> None:
    assert "".join(chunks_of(make(boundary), deltas)) == "".join(deltas)


@given(TEXT, st.lists(st.integers(0, 80), max_size=12))
@example("👍🏽" * 20, list(range(40)))
@example("🇩🇪" * 40 + "🇩", [81])
def test_no_chunk_ends_inside_a_grapheme_that_is_waited_for(text: str, cuts: list[int]) -> None:
    places = sorted({min(cut, len(text)) for cut in cuts})
    deltas = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    whole, at = ends_of_clusters(text), 0
    for chunk in chunks_of(make(), deltas):
        at += len(chunk)
        assert at in whole or SHOWN_AT_ONCE.search(text[:at])


@pytest.mark.parametrize("cluster", [FAMILY, FLAG, THUMB, "न\u093f", "क\u094dष", "ᄒ\u1161\u11ab"])
def test_an_emoji_or_syllable_comes_in_one_piece(cluster: str) -> None:
    chunks = chunks_of(make(), [*("x" + cluster + "y")])
    assert [chunk for chunk in chunks if chunk] == ["x", cluster + "y"]


def test_letters_and_ideographs_are_not_kept_waiting() -> None:
    for text in ["Hello", "naïve", "漢字", "かな", "한국", "1, 2."]:
        coalescer = make()
        coalescer.push(text)
        assert coalescer.take(0.0) == text


def test_a_cluster_that_never_ends_is_shown() -> None:
    coalescer = make()
    coalescer.push("a" + "\u0301" * (3 * CLUSTER_MAX_CHARS))
    assert coalescer.take(0.0)


@pytest.mark.parametrize("text", ["x" * 40_000, "e\u0301" * 20_000, "a" + "\u0301" * 40_000, FAMILY * 9_000])
def test_no_chunk_is_too_large_for_a_frame(text: str) -> None:
    coalescer = make()
    coalescer.push(text)
    chunks = [coalescer.take(0.0), *rest(coalescer)]
    assert "".join(chunks) == text
    assert max(map(len, chunks)) <= CHUNK_MAX_CHARS


def test_a_large_text_is_cut_between_graphemes() -> None:
    text = "x" * (CHUNK_MAX_CHARS - 2) + FAMILY + "y" * 10
    coalescer = make()
    coalescer.push(text)
    assert coalescer.take(0.0) == "x" * (CHUNK_MAX_CHARS - 2)


def test_the_first_text_is_urgent_and_the_next_waits_for_its_window() -> None:
    coalescer = make(window_s=0.03)
    coalescer.push("a")
    assert coalescer.urgent(100.0)
    coalescer.take(100.0)
    coalescer.push("b")
    assert not coalescer.urgent(100.02)
    assert coalescer.urgent(100.031)


def test_a_large_chunk_does_not_wait_for_its_window() -> None:
    coalescer = make(window_s=10.0, chunk_max_chars=5)
    coalescer.push("first")
    coalescer.take(0.0)
    coalescer.push("1234")
    assert not coalescer.urgent(0.1)
    coalescer.push("5")
    assert coalescer.urgent(0.1)


def test_nothing_taken_is_no_window_begun() -> None:
    coalescer = make()
    coalescer.push("👩")
    assert coalescer.take(5.0) == ""
    assert coalescer.urgent(5.0)


@pytest.mark.parametrize(
    ("boundary", "deltas", "chunks"),
    [
        ("word", ["Hel", "lo wo", "rld an", "d"], ["", "Hello ", "world ", "", "and"]),
        ("sentence", ["One. Tw", "o! Three", '?" Fo', "ur."], ["One. ", "Two! ", 'Three?" ', "", "Four."]),
        ("sentence", ["Eins。Zwei", "。"], ["Eins。", "Zwei。"]),
        ("sentence", ["3.14 is pi", "\nand"], ["", "3.14 is pi\n", "and"]),
        ("time", ["Hel", "lo wo"], ["Hel", "lo wo"]),
    ],
)
def test_chunks_end_at_the_boundary_of_the_mode(boundary: str, deltas: list[str], chunks: list[str]) -> None:
    assert chunks_of(make(boundary), deltas) == chunks


@pytest.mark.parametrize("boundary", ["word", "sentence"])
def test_text_without_the_wanted_boundary_is_not_held_back_for_ever(boundary: str) -> None:
    coalescer = make(boundary)
    coalescer.push("x" * BOUNDARY_MAX_CHARS)
    assert coalescer.take(0.0) == "x" * BOUNDARY_MAX_CHARS


@pytest.mark.parametrize(("text", "begin"), [("", 0), ("a", 0), ("ab", 1), (f"a{FAMILY}", 1), (f"{FLAG}{FLAG}", 2)])
def test_the_last_cluster_begins_where_the_grapheme_does(text: str, begin: int) -> None:
    assert last_cluster(text) == begin
