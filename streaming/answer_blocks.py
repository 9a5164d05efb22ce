"""The rendered blocks of one answer: those that readers have, those on their way, and how a row keeps them. Pure.

A row's column holds `[renderer version, [lines, html], …]`, or nothing. Blocks of another version count as none:
whoever reads them renders the text again.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from streaming import markdown_html
from streaming.events import BlockRendered, StreamEvent
from streaming.markdown import Block, Rendered, fold, line_count, render_document

#: What a text that breaks off leaves open: its last line, and the block that this line may yet belong to.
OPEN_AT_A_BREAK: Final = 2


class AnswerBlocks:
    """`confirmed` blocks are in the log; `ready` ones will be, in this order."""

    def __init__(self, encoded: str = "") -> None:
        self.confirmed: list[Block] = []
        self.ready: deque[Rendered] = deque()
        self._encoded: list[str] = []
        for block in decode(encoded):
            self.confirm(Rendered(len(self.confirmed), block))

    def offer(self, made: Iterable[Rendered]) -> None:
        """To be appended next; what is confirmed as it is needs no repetition."""
        known = self.confirmed
        self.ready.extend(one for one in made if one.index >= len(known) or known[one.index] != one.block)

    def confirm(self, rendered: Rendered) -> None:
        if fold(self.confirmed, rendered):
            self._encoded[rendered.index : len(self.confirmed)] = [_encode(rendered.block)]
            del self._encoded[len(self.confirmed) :]

    def follow(self, events: Iterable[StreamEvent]) -> None:
        """What the log says beyond the row."""
        for event in events:
            if isinstance(event, BlockRendered):
                self.confirm(Rendered(event.index, Block(event.lines, event.html)))

    def reopen(self) -> list[Block]:
        """The text goes on: its last blocks may become others. Returns those that stay."""
        del self.confirmed[-OPEN_AT_A_BREAK:]
        del self._encoded[-OPEN_AT_A_BREAK:]
        return self.confirmed

    def encoded(self, more: Rendered | None = None) -> str:
        """For the row; `more` is confirmed with it."""
        if more is not None:
            both = AnswerBlocks()
            both.confirmed, both._encoded = [*self.confirmed], [*self._encoded]
            both.confirm(more)
            return both.encoded()
        return f"[{markdown_html.RENDERER_VERSION},{','.join(self._encoded)}]" if self._encoded else ""

    def encoded_whole(self, text: str) -> str:
        """For the row of a finished text; nothing if they are not all of it."""
        return self.encoded() if cover(self.confirmed, text) else ""


def cover(blocks: Sequence[Block], text: str) -> bool:
    """Whether at most blank lines are in none of the blocks."""
    covered = sum(block.lines for block in blocks)
    return covered <= line_count(text) and not "".join(text.split("\n")[covered:]).strip(" \t")


def encode(blocks: Iterable[Block]) -> str:
    """For the row."""
    parts = ",".join(map(_encode, blocks))
    return f"[{markdown_html.RENDERER_VERSION},{parts}]" if parts else ""


def _encode(block: Block) -> str:
    return json.dumps([block.lines, block.html], ensure_ascii=False, separators=(",", ":"))


def decode(encoded: str) -> list[Block]:
    """The blocks of a row's column; none if it is empty or of another version."""
    if not encoded:
        return []
    version, *blocks = json.loads(encoded)
    return [Block(*block) for block in blocks] if version == markdown_html.RENDERER_VERSION else []


def answer_html(text: str, encoded: str) -> str | None:
    """A finished text as one piece of HTML. None if its blocks are missing or old."""
    blocks = decode(encoded)
    if not cover(blocks, text):
        return None
    lines, at, parts = text.split("\n"), 0, []
    for block in blocks:
        source = "\n".join(lines[at : at + block.lines])
        at += block.lines
        parts.append(markdown_html.plain(source) if block.html is None else block.html)
    return "".join(parts)


def render_answer(text: str) -> str:
    """The column of a text that has none; as long as it takes."""
    return encode(render_document(text))
