from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.api.rechunker import UNIT_MAX_CHARS, Buffer, By, Rechunker

FAMILY = "👨\u200d👩\u200d👧"


def chunks(buffer: Buffer, *texts: str) -> list[str]:
    rechunker = Rechunker(buffer)
    pieces = [piece for text in texts for piece in rechunker.feed(text, 0.0)]
    return [*pieces, *rechunker.flush()]


def test_without_a_buffer_text_comes_as_it_came() -> None:
    assert chunks(Buffer(), "Go", "od day") == ["Go", "od day"]


def test_words_come_whole_one_by_one() -> None:
    assert chunks(Buffer("word"), "Goo", "d da", "y,  all", " of you") == ["Good ", "day,  ", "all ", "of ", "you"]


def test_sentences_come_whole_one_by_one() -> None:
    texts = ("Good day. How a", "re you? 3.14 is", " not it.\nNext. ", "”Well.” 好。是！吗")
    assert chunks(Buffer("sentence"), *texts) == [
        "Good day. ", "How are you? ", "3.14 is not it.\n", "Next. ", "”Well.” ", "好。", "是！", "吗",
    ]  # fmt: skip


def test_so_many_characters_as_people_count_them() -> None:
    assert chunks(Buffer("size", size=2), "ab", "c", f"e\u0301{FAMILY}", "x") == ["ab", "ce\u0301", f"{FAMILY}x"]


def test_an_interval_collects_whatever_comes() -> None:
    rechunker = Rechunker(Buffer("interval", interval_s=0.5))
    assert rechunker.wait_s(0.0) is None
    assert rechunker.feed("Good ", 1.0) == []
    assert rechunker.feed("day!", 1.25) == []
    assert rechunker.wait_s(1.25) == 0.25
    assert rechunker.late(1.4) == []
    assert rechunker.late(1.5) == ["Good day"]  # the last character may still grow
    assert rechunker.flush() == ["!"]


def test_a_unit_is_not_kept_longer_than_the_interval() -> None:
    rechunker = Rechunker(Buffer("sentence", interval_s=1.0))
    rechunker.feed("No end in", 0.0)
    assert rechunker.late(1.0) == ["No end i"]


def test_a_word_without_end_comes_in_parts() -> None:
    pieces = chunks(Buffer("word"), "x" * (2 * UNIT_MAX_CHARS))
    assert len(pieces) > 1
    assert max(map(len, pieces)) <= UNIT_MAX_CHARS


@pytest.mark.parametrize("by", ["none", "word", "sentence", "size", "interval"])
@given(texts=st.lists(st.text(alphabet="ab .!\n好。e\u0301👨\u200d", max_size=12), max_size=12), size=st.integers(1, 5))
def test_no_character_is_lost_or_doubled(by: By, texts: list[str], size: int) -> None:
    rechunker = Rechunker(Buffer(by, size=size, interval_s=1.0))
    pieces: list[str] = []
    for now, text in enumerate(texts):
        pieces += rechunker.feed(text, float(now)) + rechunker.late(now + 0.5)
    pieces += rechunker.flush()
    assert "".join(pieces) == "".join(texts)
    assert "" not in pieces
