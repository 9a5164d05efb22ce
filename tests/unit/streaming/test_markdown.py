from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streaming import markdown, markdown_html
from streaming.markdown import Block, BlockRenderer, Rendered, fold, line_count, render_document

#: Lines that open, go on with, interrupt or end each other in every way that Markdown knows.
LINES = (
    "text with **bold** and `code`\n", "another line\n", "\n", "\n", "\n", "   \n", "# heading\n", "## see [a]\n",
    "#### deep\n", "#no\n", "- item\n", "- item\n",
    "  more of it\n", "* star\n", "+ plus\n", "1. one\n", "2. two\n", "10) ten\n",
    "   - nested\n", "-\n", "> quote\n", "> - in it\n", ">\n", "lazy\n", "```python\n", "x = 1\n", "```\n",
    "````\n", "~~~\n", "    indented\n", "\ttab\n", "---\n", "***\n", "===\n", "| a | b |\n", "|---|---|\n",
    "| 1 | 2 |\n", "[a]: http://a.example\n", "'title'\n", "[b]: http://b.example\n", "[a] and [b]\n",
    "[^1]: note\n", "<div>\n", " - odd\n", "a | b\n", "-|-\n", "[a]:\n",
)  # fmt: skip
DOCUMENTS = st.lists(st.sampled_from(LINES), max_size=25).map("".join)
CUTS = st.lists(st.integers(1, 12), min_size=1, max_size=30)


def chunks(text: str, sizes: list[int]) -> Iterator[str]:
    at = turn = 0
    while at < len(text):
        yield text[at : at + sizes[turn % len(sizes)]]
        at += sizes[turn % len(sizes)]
        turn += 1


def written(text: str, sizes: list[int]) -> list[Block]:
    """Rendered while it came in pieces; no block may ever take lines that are not there yet."""
    renderer, blocks, seen = BlockRenderer(), list[Block](), ""
    for chunk in chunks(text, sizes):
        seen += chunk
        for rendered in renderer.render() if renderer.push(chunk) else []:
            assert fold(blocks, rendered)
            assert sum(block.lines for block in blocks) <= seen.count("\n")
    for rendered in renderer.finish():
        assert fold(blocks, rendered)
    return blocks


def whole(text: str) -> str:
    """All at once, as markdown-it parses a document."""
    tokens, references = markdown_html.parse_blocks(text, {})
    parts, outline = list[str](), ()
    for group in markdown._top_level(tokens):
        parts.append(markdown_html.render(text, group, references, outline) or "")
        outline = markdown_html.outline_after(parts[-1], outline)
    return "".join(parts)


def html_of(blocks: list[Block]) -> str:
    return "".join(block.html or "" for block in blocks)


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS, CUTS, st.booleans())
@example("[a]\n\n[a]: http://a.example\n", [3], False)
@example("[a]: http://a.example\n'title'\n\n[a]\n", [50], False)
@example("text\n\n```\n# no\n\n```\nafter\n", [1], False)
def test_blocks_one_by_one_are_the_document(text: str, sizes: list[int], cut_end: bool) -> None:
    text = text.rstrip("\n") if cut_end else text
    blocks = written(text, sizes)
    assert html_of(blocks) == whole(text)
    covered = sum(block.lines for block in blocks)
    assert covered <= line_count(text)
    assert not "".join(text.split("\n")[covered:]).strip(), "only blank lines are in no block"


@settings(max_examples=80, deadline=None)
@given(DOCUMENTS, CUTS, st.integers(0, 400))
def test_another_attempt_goes_on_where_the_first_one_was_cut(text: str, sizes: list[int], cut: int) -> None:
    first, blocks = BlockRenderer(), list[Block]()
    for chunk in chunks(text[:cut], sizes):
        for rendered in first.render() if first.push(chunk) else []:
            fold(blocks, rendered)
    second = BlockRenderer()
    second.resume(text[:cut], blocks)
    for made in (second.render() if second.push(text[cut:]) else [], second.finish()):
        for rendered in made:
            assert fold(blocks, rendered)
    assert html_of(blocks) == whole(text)


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=300), CUTS)
def test_any_text_at_all_is_rendered_as_a_whole_would_be(text: str, sizes: list[int]) -> None:
    assert html_of(written(text, sizes)) == whole(text)


def test_a_finished_block_comes_with_the_line_that_proves_it() -> None:
    renderer = BlockRenderer()
    assert not renderer.push("# Title")
    assert renderer.push("\n")
    assert renderer.render() == [Rendered(0, Block(1, '<h3 data-level="1">Title</h3>\n'))]
    assert not renderer.push("A paragraph\nof two lines\n")
    assert not renderer.push("\n")
    assert renderer.push("next\n")
    assert renderer.render() == [Rendered(1, Block(3, "<p>A paragraph<br>\nof two lines</p>\n"))]
    assert renderer.finish() == [Rendered(2, Block(1, "<p>next</p>\n"))]


def test_an_open_fence_is_not_looked_at_before_its_closing_line(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = BlockRenderer()
    assert renderer.push("```python\n")
    assert renderer.render() == []
    parses: list[int] = []
    parse = markdown_html.parse_blocks
    monkeypatch.setattr(markdown_html, "parse_blocks", lambda *a: parses.append(1) or parse(*a))
    for line in ("\n", "# no heading\n", "``\n", "~~~\n", "> no\n") * 200:
        assert not renderer.push(line)
    assert parses == []
    assert renderer.push("```\n")
    (rendered,) = renderer.render()
    assert rendered.block.lines == 1_002


@pytest.mark.parametrize(
    "line",
    ["- an item of a list\n", "> quoted\n", "a line of a paragraph\n", "| a | b |\n", "- a\n\n", "1. x\n\n   y\n\n"],
)
def test_what_is_parsed_grows_with_the_text_and_not_with_its_square(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = 0
    parse = markdown_html.parse_blocks

    def counting(source: str, references: markdown_html.References):
        nonlocal parsed
        parsed += len(source)
        return parse(source, references)

    monkeypatch.setattr(markdown_html, "parse_blocks", counting)
    text = ("| a | b |\n|---|---|\n" if line.startswith("|") else "") + line * (20_000 // len(line))
    written(text, [7])
    assert parsed <= 6 * len(text)


def test_an_answer_costs_little() -> None:
    paragraph = "Some words with **bold**, `code` and [a link](https://example.org/) in them. " * 4
    text = f"## Part\n\n{paragraph}\n\n- one\n- two\n\n```python\nx = 1\n```\n\n" * 32
    before = time.process_time()
    written(text, [5])
    assert len(text) > 11_000
    assert time.process_time() - before < 2.0, "0.05 s on an idle machine; quadratic would be 4 s"


def test_definitions_that_come_late_render_what_used_them_again() -> None:
    text = "See [the page].\n\nNothing here.\n\n[the page]: https://example.org/\n"
    renderer = BlockRenderer()
    renderer.push(text)
    early = renderer.render()
    assert early[0].block.html == "<p>See [the page].</p>\n"
    late = renderer.finish()
    assert [rendered.index for rendered in late] == [1, 0]
    assert 'href="https://example.org/"' in (late[1].block.html or "")
    assert late[1].block.lines == early[0].block.lines


def test_a_definition_is_known_only_once_it_cannot_change() -> None:
    renderer = BlockRenderer()
    renderer.push("[a]: https://example.org/\n\n")
    assert html_of(written("[a]: https://example.org/\n'title'\n\n[a]\n", [1])) == whole(
        "[a]: https://example.org/\n'title'\n\n[a]\n"
    )


def test_a_block_that_never_ends_stays_as_it_was_written() -> None:
    text = "- an item\n" * (markdown.OPEN_MAX_CHARS // 10 + 100)
    assert written(text, [4096]) == [Block(line_count(text), None)]


def test_a_defect_in_a_lexer_costs_its_block_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise RecursionError

    monkeypatch.setattr(markdown_html, "highlight", broken)
    blocks = render_document("before\n\n```python\nx\n```\n\nafter\n")
    assert [block.html for block in blocks] == ["<p>before</p>\n", None, "<p>after</p>\n"]


def test_too_much_html_in_all_ends_the_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "HTML_MAX_BYTES", 40)
    blocks = render_document("paragraph\n\n" * 8)
    assert [block.html is None for block in blocks] == [False] * 3 + [True] * 5


def test_blocks_fold_as_they_do_in_a_browser() -> None:
    blocks = [Block(1, "a"), Block(2, "b"), Block(3, "c")]
    assert fold(blocks, Rendered(1, Block(2, "B")))
    assert blocks == [Block(1, "a"), Block(2, "B"), Block(3, "c")]
    assert fold(blocks, Rendered(3, Block(1, None)))
    assert not fold(blocks, Rendered(5, Block(1, "x")))
    assert len(blocks) == 4
    assert fold(blocks, Rendered(1, Block(9, "new")))
    assert blocks == [Block(1, "a"), Block(9, "new")]


@pytest.mark.parametrize(("text", "lines"), [("", 0), ("a", 1), ("a\n", 1), ("a\nb", 2), ("\n\n", 2)])
def test_a_line_without_its_end_is_a_line(text: str, lines: int) -> None:
    assert line_count(text) == lines


def test_only_newlines_end_lines() -> None:
    odd = "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g\n\nend\n"
    blocks = written(odd, [random.Random(1).randint(1, 5)])
    assert [block.lines for block in blocks] == [2, 1]
