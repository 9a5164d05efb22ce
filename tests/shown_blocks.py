"""What a client shows of an answer's blocks: the rules of PROTOCOL.md, and what must hold at every moment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streaming.answer_blocks import cover, decode
from streaming.events import BlockRendered, Delta, StreamEvent
from streaming.markdown import Block, Rendered, fold, line_count, render_document


class ShownBlocks:
    """Text and blocks, event by event. A block may only ever stand for text that is there."""

    def __init__(self, text: str = "", blocks: Iterable[Block] = ()) -> None:
        self.text = text
        self.blocks = list(blocks)
        self._check()

    def more_text(self, text: str) -> None:
        if self.covered > self.text.count("\n"):
            self.blocks.pop()  # its last line was not finished
        self.text += text

    def block(self, index: int, lines: int, html: str | None) -> None:
        assert fold(self.blocks, Rendered(index, Block(lines, html))), f"block {index} of {len(self.blocks)}"
        self._check()

    def snapshot(self, text: str, blocks: Iterable[dict[str, Any]]) -> None:
        self.text, self.blocks = text, [Block(block["lines"], block["html"]) for block in blocks]
        self._check()

    def apply(self, event: StreamEvent) -> None:
        if isinstance(event, Delta):
            self.more_text(event.text)
        elif isinstance(event, BlockRendered):
            self.block(event.index, event.lines, event.html)

    @property
    def covered(self) -> int:
        return sum(block.lines for block in self.blocks)

    @property
    def is_document(self) -> bool:
        """Whether it is what the whole text gives at once."""
        return cover(self.blocks, self.text) and self.html == html_of(render_document(self.text))

    @property
    def html(self) -> str:
        return html_of(self.blocks)

    def _check(self) -> None:
        assert self.covered <= line_count(self.text), "a block stands for text that is not there"


def html_of(blocks: Iterable[Block]) -> str:
    return "".join(block.html or f"[{block.lines} lines]" for block in blocks)


def assert_blocks_are_the_rows(events: Iterable[StreamEvent], text: str, encoded: str) -> None:
    """Whoever followed the log shows what the row keeps, and both are the document."""
    shown = ShownBlocks()
    for event in events:
        shown.apply(event)
    assert shown.text == text
    assert shown.is_document, shown.blocks
    assert decode(encoded) == shown.blocks
