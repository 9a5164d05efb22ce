"""A guess of tokens that is never below one for text, and never splits what belongs together."""

from __future__ import annotations

import pytest

from streaming.tokens import estimate_tokens


@pytest.mark.parametrize(
    ("texts", "tokens"),
    [
        ((), 0),
        (("",), 0),
        (("a",), 1),
        (("abcd",), 1),
        (("abcde",), 2),
        (("ab", "cd", "e"), 2),
        (("漢字",), 2),
        (("a" * 400,), 100),
    ],
)
def test_four_bytes_are_a_token_rounded_up_over_all_texts(texts: tuple[str, ...], tokens: int) -> None:
    assert estimate_tokens(*texts) == tokens
