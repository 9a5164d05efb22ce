"""What Markdown says, without its signs: for lines that have no room for more than words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from streaming.markdown_html import NESTING_MAX

_BREAKS: Final = frozenset({"softbreak", "hardbreak"})


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("js-default", {"html": False, "linkify": False, "maxNesting": NESTING_MAX})


def plain_text(source: str) -> str:
    """One line of words. Addresses of links are not among them. Costs about a millisecond for a thousand characters:
    whoever needs a few words gives the part where they stand."""
    return " ".join(" ".join(_texts(_parser().parse(source))).split())


def _texts(blocks: Iterable[Token]) -> Iterator[str]:
    for token in blocks:
        if token.type == "inline":
            yield "".join(" " if part.type in _BREAKS else part.content for part in token.children or ())
        elif token.type in ("fence", "code_block"):
            yield token.content
