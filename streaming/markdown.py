"""Markdown that is still being written: each top-level block becomes HTML once, as soon as nothing can change it. Pure.

Only complete lines are looked at, and everything before the last top-level block of them is final: what follows a block
cannot reach back over the beginning of the next one. The exceptions are link definitions that come after their use:
`finish` renders those blocks again. How much is parsed per line is bounded: an open block is looked at again only when
it grew by half, or when a line says that it ended; an open fence only at its closing line.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from markdown_it.token import Token

from streaming import markdown_html
from streaming.markdown_html import Outline, References

log = logging.getLogger(__name__)

#: A piece of work up to this size (about a millisecond) may be done where other streams wait for it.
LIGHT_CHARS: Final = 800
#: An open block is looked at again after it grew by this factor.
GROWTH: Final = 1.5
GROWN_MIN_CHARS: Final = 400
#: A block that is still open at this size stays as it was written, with all that follows it.
OPEN_MAX_CHARS: Final = 131_072
HTML_MAX_BYTES: Final = 4_194_304
"""Of one answer; what follows is shown as it was written."""

_MARKER: Final = re.compile(r" {0,3}(?:[-+*]|\d{1,9}[.)])(?:[ \t]|$)")
_STARTS_BLOCK: Final = re.compile(r" {0,3}(?:#{1,6}(?:[ \t]|$)|`{3}|~{3}|(?:[-*_][ \t]*){3,}$)")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*$")


class Block(NamedTuple):
    """`lines` of the source after those of the blocks before it. `html` is None if it is to be shown as written."""

    lines: int
    html: str | None


@dataclass(frozen=True, slots=True)
class Rendered:
    """Block number `index` of an answer, new or rendered again."""

    index: int
    block: Block


def fold(blocks: list[Block], rendered: Rendered) -> bool:
    """Take a block into those before it: a new one at the end, or again in its place (with other lines it takes the
    place of all after it too). False if one before it is missing: then nothing happens."""
    index, block = rendered.index, rendered.block
    if index > len(blocks):
        return False
    if index < len(blocks) and blocks[index].lines == block.lines:
        blocks[index] = block
    else:
        blocks[index:] = [block]
    return True


def line_count(text: str) -> int:
    """A last line without its end counts too."""
    return text.count("\n") + (text != "" and not text.endswith("\n"))


class BlockRenderer:
    """`push` text (cheap); when it answers True, call `render`; at the end `finish`. Never two of them at once."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._unfinished: list[str] = []
        self._size = 0
        self._parsed_size = 0
        #: What the last top-level block is, as far as it was looked at: a fence's marks while it is open; a list.
        self._fence = ""
        self._in_list = False
        self._after_blank = False
        self._due = False
        self._count = 0
        self._references: References = {}
        self._outline: Outline = ()
        #: Blocks whose links may still be defined: index → (source, HTML, link definitions known then, outline).
        self._linking: dict[int, tuple[str, str, int, Outline]] = {}
        self._html_bytes = 0

    def resume(self, text: str, blocks: Sequence[Block]) -> bool:
        """Go on from what an earlier attempt rendered of `text`; True as `push`."""
        lines = text.split("\n")
        at = 0
        for block in blocks:
            source = "".join(line + "\n" for line in lines[at : at + block.lines])
            at += block.lines
            if "]:" in source:
                self._references = markdown_html.parse_blocks(source, self._references)[1]
            self._note(source, block.html)
        return self.push("\n".join(lines[at:]))

    def push(self, text: str) -> bool:
        """Take more text; True if there is something to render."""
        if "\n" not in text:
            self._unfinished.append(text)
            return self._due
        first, *others = text.split("\n")
        self._take_line("".join(self._unfinished) + first + "\n")
        for line in others[:-1]:
            self._take_line(line + "\n")
        self._unfinished = [others[-1]]
        return self._due

    @property
    def is_light(self) -> bool:
        """Whether rendering now takes a moment at most."""
        return self._size <= LIGHT_CHARS and not self._fence

    def _take_line(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._fence:
            closing = _FENCE.match(line)
            self._due = self._due or (closing is not None and closing[1].startswith(self._fence))
            return
        if not line.strip(" \t\n"):
            self._after_blank = True
            return
        grown = self._size >= max(GROWN_MIN_CHARS, GROWTH * self._parsed_size)
        self._due = self._due or grown or self._ends_the_open_block(line)
        self._after_blank = False

    def _ends_the_open_block(self, line: str) -> bool:
        """Probably; what turns out not to have ended it is not looked at again before it grew."""
        if self._parsed_size * GROWTH > self._size and self._parsed_size > OPEN_MAX_CHARS / 64:
            return False
        if _STARTS_BLOCK.match(line):
            return True
        is_within = line[0] in " \t" or (self._in_list and _MARKER.match(line) is not None)
        return self._after_blank and not is_within

    def render(self) -> list[Rendered]:
        """The blocks that are finished by now."""
        self._due = False
        if self._size > OPEN_MAX_CHARS and not self._fence:
            return []
        source = "".join(self._lines)
        tokens, references = markdown_html.parse_blocks(source, self._references)
        groups = list(_top_level(tokens))
        starts = [0, *(group[0].map[0] for group in groups[1:] if group[0].map)]
        last = groups[-1][0] if groups else None
        if last is not None and last.map and self._is_final(last):
            cut, finished = last.map[1], groups
        else:
            cut, finished = (starts[-1], groups[:-1]) if groups else (0, [])
        if finished:
            self._adopt(references, cut)
        made = self._make(finished, [*starts[: len(finished)], cut])
        self._look_ahead(last if len(finished) < len(groups) else None, cut)
        return made

    def finish(self) -> list[Rendered]:
        """No more text: what is left, and the blocks whose links were defined after them."""
        rest = "".join(self._unfinished)
        self._lines += [rest] if rest else []
        source = "".join(self._lines)
        made: list[Rendered] = []
        if self._size + len(rest) > OPEN_MAX_CHARS and not self._fence:
            made = [self._note(source, None, len(self._lines))]
        elif source.strip(" \t\n"):
            tokens, self._references = markdown_html.parse_blocks(source, self._references)
            groups = list(_top_level(tokens)) or [[]]
            starts = [0, *(group[0].map[0] for group in groups[1:] if group[0].map)]
            made = self._make(groups, [*starts, len(self._lines)])
        self._lines, self._unfinished = [], []
        return made + list(self._again())

    def _is_final(self, token: Token) -> bool:
        """Whether the last block can have no further line."""
        if token.type == "fence":
            first, end = token.map or (0, 0)
            closing = _FENCE.match(self._lines[end - 1])
            return end - first >= 2 and closing is not None and closing[1].startswith(token.markup)
        return token.type == "hr" or (token.type == "heading_open" and token.markup.startswith("#"))

    def _adopt(self, references: References, cut: int) -> None:
        """Definitions of finished lines. Others may still get a title."""
        for label, found in references.items():
            if label not in self._references and found["map"][1] <= cut:
                self._references[label] = found

    def _make(self, groups: Sequence[list[Token]], borders: Sequence[int]) -> list[Rendered]:
        made = []
        for number, group in enumerate(groups):
            lines = self._lines[borders[number] : borders[number + 1]]
            source = "".join(lines)
            made.append(self._note(source, self._html(source, group, self._outline), len(lines)))
        return made

    def _html(self, source: str, tokens: list[Token], outline: Outline) -> str | None:
        if self._html_bytes > HTML_MAX_BYTES:
            return None
        try:
            return markdown_html.render(source, tokens, self._references, outline)
        except Exception:  # a lexer's defect, for example: its answer must not suffer for it
            log.exception("a block of %d characters could not be rendered", len(source))
            return None

    def _note(self, source: str, html: str | None, lines: int = 0) -> Rendered:
        index = self._count
        self._count += 1
        if html is not None:
            self._html_bytes += len(html)
            if "[" in source and not html.startswith("<pre"):
                self._linking[index] = (source, html, len(self._references), self._outline)
            self._outline = markdown_html.outline_after(html, self._outline)
        return Rendered(index, Block(lines, html))

    def _look_ahead(self, last: Token | None, cut: int) -> None:
        """What is left, and what it is."""
        self._lines = self._lines[cut:]
        self._size = self._parsed_size = sum(map(len, self._lines))
        self._fence = last.markup if last is not None and last.type == "fence" else ""
        self._in_list = last is not None and last.type.endswith("list_open")

    def _again(self) -> Iterator[Rendered]:
        for index, (source, before, known, outline) in self._linking.items():
            if known == len(self._references):
                continue
            tokens, _ = markdown_html.parse_blocks(source, self._references)
            html = self._html(source, tokens, outline)
            if html != before:
                yield Rendered(index, Block(line_count(source), html))


def render_document(text: str) -> list[Block]:
    """All blocks of a finished text."""
    renderer = BlockRenderer()
    blocks: list[Block] = []
    for made in (renderer.render() if renderer.push(text) else [], renderer.finish()):
        for rendered in made:
            fold(blocks, rendered)
    return blocks


def _top_level(tokens: Iterable[Token]) -> Iterator[list[Token]]:
    """The tokens of each top-level block."""
    group: list[Token] = []
    for token in tokens:
        if token.level == 0 and token.nesting >= 0 and group:
            yield group
            group = []
        group.append(token)
    if group:
        yield group
