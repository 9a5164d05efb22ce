from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.names import clean_line, shortened


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("  Rivers \t and\nseas ", "Rivers and seas"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),  # shown as "invoiceexe.jpg" otherwise
        ("a\u2066b\u2069c\u200bd\ufeffe\u00adf", "abcdef"),
        ("\x1b[2Jgone", "[2Jgone"),
        ("one\u2028two\u2029three\x85four\x00", "one two three four"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # text is escaped where it is shown
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ("👩\u200d👩\u200d👧 می\u200cخواهم", "👩\u200d👩\u200d👧 می\u200cخواهم"),
        ("Z" + "\u0300" * 500 + "algo", "Z" + "\u0300" * 8 + "algo"),
        ("\u200b\u2060\u202e\ufeff \t\u200d", ""),
        ("\u0301\u0301", ""),
        ("", ""),
    ],
)
def test_a_line_shows_what_it_is(written: str, shown: str) -> None:
    assert clean_line(written) == shown


@given(st.text())
def test_a_clean_line_stays_as_it_is(text: str) -> None:
    line = clean_line(text)
    assert clean_line(line) == line
    assert "\n" not in line
    assert len(line) <= len(text)


def test_long_lines_end_in_an_ellipsis() -> None:
    assert shortened("one two three", 8) == "one two…"
    assert shortened("one", 3) == "one"
