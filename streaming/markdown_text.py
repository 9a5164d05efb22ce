"""What Markdown says, without its signs: for lines that have no room for more than words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from streaming.markdown_html import NESTING_MAX, parse_blocks

_BREAKS: Final = frozenset({"softbreak", "hardbreak"})
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*$")


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("js-default", {"html": False, "linkify": False, "maxNesting": NESTING_MAX})


def plain_text(source: str) -> str:
    """One line of words. Addresses of links are not among them. Costs about a millisecond for a thousand characters:
    whoever needs a few words gives the part where they stand."""
    return " ".join(" ".join(_texts(_parser().parse(source))).split())


def closed(source: str) -> str:
    """The source, with an end for the code block in which it broke off: other Markdown may follow it."""
    source = source.rstrip("\n")
    tokens, _ = parse_blocks(source, {})
    if not tokens or tokens[-1].type != "fence":  # one within a list or a quotation ends with these
        return source
    fence = tokens[-1]
    first, end = fence.map or (0, 0)
    last = _FENCE.match(source.split("\n")[end - 1]) if end - first > 1 else None
    return source if last and last[1].startswith(fence.markup) else f"{source}\n{fence.markup}"


def _texts(blocks: Iterable[Token]) -> Iterator[str]:
    for token in blocks:
        if token.type == "inline":
            yield "".join(" " if part.type in _BREAKS else part.content for part in token.children or ())
        elif token.type in ("fence", "code_block"):
            yield token.content
