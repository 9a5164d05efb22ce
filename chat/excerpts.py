"""A line of a found text around what was searched for. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from streaming.markdown_text import plain_text

EXCERPT_BEFORE: Final = 60
EXCERPT_CHARS: Final = 180
#: Of an answer so much around the hit is read as Markdown: signs have their counterparts near them.
_AROUND_CHARS: Final = 800
#: A word longer than this is cut.
_WORD_CHARS: Final = 30


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    is_hit: bool


def excerpt(text: str, marks: re.Pattern[str], *, is_markdown: bool = False) -> list[Piece]:
    """In pieces that are hits or not. Of Markdown without its signs, unless the hit is among them (an address)."""
    first = marks.search(text)
    at = first.start() if first else 0
    start, end = _line_start(text, at), at + _AROUND_CHARS
    around = text[start:end]
    plain = plain_text(around) if is_markdown else ""
    if not is_markdown or (first and not marks.search(plain)):
        plain = " ".join(around.split())
    return _pieces(_shortened(plain, marks, start > 0, end < len(text)), marks)


def _line_start(text: str, at: int) -> int:
    """Of a line, or at least of a word, that begins well before the place."""
    earliest, latest = max(0, at - _AROUND_CHARS), max(0, at - EXCERPT_BEFORE)
    if earliest == 0:
        return 0
    found = text.rfind("\n", earliest, latest)
    return found + 1 if found >= 0 else _word_start(text, earliest, latest)


def _word_start(text: str, at: int, latest: int) -> int:
    """The first one from here on, if it is near."""
    if at == 0 or text[at - 1].isspace():
        return at
    found = text.find(" ", at, min(latest, at + _WORD_CHARS))
    return found + 1 if found >= 0 else at


def _word_end(line: str, at: int, earliest: int) -> int:
    """The last one up to here, if it is near."""
    if at >= len(line) or line[at].isspace():
        return at
    found = line.rfind(" ", max(earliest, at - _WORD_CHARS), at)
    return found if found >= 0 else at


def _shortened(line: str, marks: re.Pattern[str], is_later: bool, has_more: bool) -> str:
    first = marks.search(line)
    start = max(0, first.start() - EXCERPT_BEFORE) if first else 0
    start = _word_start(line, start, first.start() if first else 0)
    end = _word_end(line, start + EXCERPT_CHARS, first.end() if first else start)
    before, after = is_later or start > 0, has_more or end < len(line)
    return ("…" if before else "") + line[start:end].rstrip() + ("…" if after else "")


def _pieces(line: str, marks: re.Pattern[str]) -> list[Piece]:
    pieces, done = [], 0
    for hit in marks.finditer(line):
        pieces += [Piece(line[done : hit.start()], False), Piece(hit[0], True)]
        done = hit.end()
    return [piece for piece in (*pieces, Piece(line[done:], False)) if piece.text]
