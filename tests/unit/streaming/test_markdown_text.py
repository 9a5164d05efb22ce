"""Markdown as one line of words, and with an end."""

from __future__ import annotations

import pytest

from streaming.markdown_html import parse_blocks
from streaming.markdown_text import closed, plain_text


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", ""),
        ("# A *heading*\n\nand **bold** `code`", "A heading and bold code"),
        ("- one\n- ~~two~~\n  1. three", "one two three"),
        ("> said\n> twice", "said twice"),
        ("| a | b |\n|---|---|\n| c | d |", "a b c d"),
        ("```python\nx = 1\n```\n\n    indented", "x = 1 indented"),
        ("[words](https://example.org) and ![a picture](https://example.org/p.png)", "words and a picture"),
        ("one  \ntwo\nthree", "one two three"),
        ("2 * 3 * 4 < 5 & <b>not a tag</b>", "2 * 3 * 4 < 5 & <b>not a tag</b>"),
        ("**half open and `so is this", "**half open and `so is this"),
    ],
)
def test_the_words_stay_and_the_signs_go(source: str, words: str) -> None:
    assert plain_text(source) == words


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("text\n\n```python\nx\n", "text\n\n```python\nx\n```"),
        ("~~~~\n```\nx", "~~~~\n```\nx\n~~~~"),
        ("```\n", "```\n```"),
        ("```\nx\n```\n\n", "```\nx\n```"),
        ("- item\n\n  ```\n  x", "- item\n\n  ```\n  x"),
        ("> ```\n> x", "> ```\n> x"),
        ("plain\n", "plain"),
        ("", ""),
    ],
)
def test_what_broke_off_in_a_code_block_is_closed(source: str, expected: str) -> None:
    assert closed(source) == expected
    levels = [token.type for token in parse_blocks(f"{closed(source)}\n\n# next\n", {})[0] if token.level == 0]
    assert "heading_open" in levels
