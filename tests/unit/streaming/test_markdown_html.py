from __future__ import annotations

import html
import json
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.markdown import render_document
from streaming.markdown_html import HTML_MAX_BYTES, json_bytes, outline_after, parse_blocks, plain, render, sanitise
from tests.unit.streaming.hostile_markdown import BOMBS, HOSTILE
from tests.unit.streaming.markup import judge


def shown(source: str) -> str:
    return "".join(block.html or plain("") for block in render_document(source)).strip()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("# One\n", '<h3 data-level="1">One</h3>'),
        ("a **b** *c* ~~d~~ `e`", "<p>a <strong>b</strong> <em>c</em> <s>d</s> <code>e</code></p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("3. c", '<ol start="3">\n<li>c</li>\n</ol>'),
        ("> q", "<blockquote>\n<p>q</p>\n</blockquote>"),
        ("```\na < b\n```", '<pre tabindex="0"><code>a &lt; b\n</code></pre>'),
        ("<b>&amp;", "<p>&lt;b&gt;&amp;</p>"),
        ("[^1]: note", "<p>[^1]: note</p>"),
        ("---", "<hr>"),
    ],
)
def test_common_markdown_becomes_common_html(source: str, expected: str) -> None:
    assert shown(source) == expected


def test_a_table_scrolls_in_a_box_of_its_own_and_is_aligned_by_class() -> None:
    table = shown("| a | b |\n|--:|---|\n| 1 | 2 |\n")
    assert table.startswith('<div class="table"><table>')
    assert '<th scope="col" class="align-right">a</th>' in table
    assert "style" not in table


def test_code_is_coloured_by_class_and_its_text_is_what_was_written() -> None:
    source = 'def f(x):\n    """Doc."""\n    return "<b>"  # why\n\n\n'
    page = shown(f"```Python title=x\n{source}```\n")
    assert page.startswith('<pre tabindex="0" data-language="python"><code><span class="k">def </span>')
    assert "".join(judge(page).text) == source


@pytest.mark.parametrize("info", ['js"onmouseover=x', "c#", "x" * 21, "päth", "", "  ", "<b>", "../x", "js\u202e"])
def test_a_language_that_is_no_plain_word_is_not_named(info: str) -> None:
    assert shown(f"~~~{info}\ncode\n~~~\n") == '<pre tabindex="0"><code>code\n</code></pre>'


def test_an_unknown_language_is_named_and_shown_in_one_colour() -> None:
    assert shown("```klingon\nqo\n```") == '<pre tabindex="0" data-language="klingon"><code>qo\n</code></pre>'


@pytest.mark.parametrize(
    ("source", "host"),
    [
        ("[here](https://example.org/a)", "example.org"),
        ("[https://bank.example/](https://evil.example/)", "evil.example"),
        ("[bank.example](https://bank.example@evil.example/)", "evil.example"),
        ("[write](mailto:ann@example.org?subject=x)", "ann@example.org"),
        ("![picture](https://example.org/p.png)", "example.org"),
        ("[пример](https://пример.example/)", "xn--e1afmkfd.example"),
        ("https://example.org/a", None),
        ("[example.org](https://example.org/)", None),
        ("<mailto:ann@example.org>", None),
    ],
)
def test_a_link_says_where_it_leads(source: str, host: str | None) -> None:
    page = shown(source)
    assert len(judge(page).links) == 1
    named = f'<span class="link-host">{host}</span>'
    assert (named in page) if host else ("link-host" not in page)


@pytest.mark.parametrize("source", HOSTILE, ids=range(len(HOSTILE)))
def test_no_prefix_of_hostile_markdown_gets_anything_else_into_a_page(source: str) -> None:
    for end in range(1, len(source) + 1):
        for block in render_document(source[:end]):
            if block.html is not None:
                judge(block.html)


@pytest.mark.parametrize("source", HOSTILE, ids=range(len(HOSTILE)))
def test_the_first_wall_holds_without_the_second(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streaming.markdown_html.sanitise", lambda html: html)
    page = shown(source)
    assert "<script" not in page.lower()
    assert "<img" not in page.lower()
    assert 'href="javascript' not in page.lower()


def test_the_second_wall_holds_without_the_first() -> None:
    attack = (
        '<p onclick="x">a<script>alert(1)</script><img src=x><a href="javascript:x">b</a><a href="/logout">c</a>'
        '<a href="https://example.org/" style="x" class="y" target="_top">d</a><iframe src=x></iframe>'
        '<style>x</style><span class="button k">e</span><div class="composer">f</div><!-- g --></p>'
    )
    clean = sanitise(attack)
    assert 'href="javascript' not in clean
    assert "/logout" not in clean
    assert 'class="k"' in clean
    assert "composer" not in clean
    assert "button" not in clean
    assert "alert" not in clean
    assert '<a href="https://example.org/" target="_blank" rel="noopener noreferrer nofollow">d</a>' in clean
    assert "<img" not in clean


def bearable(source: str) -> bool:
    """A generous limit: a machine that is starved is no defect, something quadratic is."""
    before = time.process_time()
    blocks = render_document(source)
    assert all(block.html is None or json_bytes(block.html) <= HTML_MAX_BYTES for block in blocks)
    return time.process_time() - before < 3.0


@pytest.mark.parametrize("source", BOMBS, ids=range(len(BOMBS)))
def test_a_bomb_costs_little_and_loses_no_text(source: str) -> None:
    assert bearable(source)
    lines = source.split("\n")
    at = 0
    for block in render_document(source):
        written = "\n".join(lines[at : at + block.lines])
        at += block.lines
        if block.html is not None:
            text = "".join(judge(block.html).text)
            for word in ("deep", "x", "a"):
                assert (word in written) <= (word in text or "]:" in written)


def test_an_image_is_a_link_unless_it_is_within_one() -> None:
    page = shown("[a](https://b.org/) ![c](https://d.org/) [![e](https://f.org/)](https://g.org/) ![h](https://i.org/)")
    assert page.count("<a ") == 4
    assert "f.org" not in page


def test_what_is_nested_too_deeply_is_left_as_it_was_written() -> None:
    for depth in range(15, 30):
        source = ">" * depth + " deep\n"
        tokens, references = parse_blocks(source, {})
        page = render(source, tokens, references)
        assert page is None or "deep" in page
    assert page is None


def test_a_plain_text_is_escaped() -> None:
    assert plain("<b>&") == '<pre tabindex="0"><code>&lt;b&gt;&amp;</code></pre>\n'


@pytest.mark.parametrize("text", ['say "a"\n\t\\', "é漢👩‍👩‍👧", "plain"])
def test_the_size_in_a_frame_is_not_underestimated(text: str) -> None:
    assert json_bytes(text) >= len(json.dumps(text, ensure_ascii=False).encode()) - 2


def test_long_code_loses_its_colours_before_it_loses_its_place() -> None:
    source = "```python\n" + "x = f(1) + g(2)\n" * 1_100 + "```\n"
    page = shown(source)
    assert "<span" not in page
    assert html.unescape(page).count("x = f(1) + g(2)\n") == 1_100


@pytest.mark.parametrize(
    ("written", "shown_as"),
    [
        ((1, 2, 3), (3, 4, 5)),
        ((2, 2, 3, 2), (3, 3, 4, 3)),
        ((3, 6, 3, 1, 2), (3, 4, 3, 3, 4)),
        ((6,), (3,)),
        ((1, 2, 3, 4, 5, 6, 2), (3, 4, 5, 6, 6, 6, 4)),
    ],
)
def test_headings_stand_below_those_of_the_page_and_skip_no_level(
    written: tuple[int, ...], shown_as: tuple[int, ...]
) -> None:
    page = shown("text\n\n".join(f"{'#' * level} x\n" for level in written))
    assert tuple(map(int, re.findall("<h([1-6])", page))) == shown_as
    assert tuple(map(int, re.findall(r'data-level="(\d)"', page))) == written


@given(
    st.lists(st.sampled_from(["# a\n", "## b\n", "> ### c\n", "- #### d\n", "e\n=\n", "f\n-\n", "\n", "g\n", "---\n"]))
)
def test_no_heading_of_any_answer_skips_a_level(lines: list[str]) -> None:
    levels = [2, *map(int, re.findall("<h([1-6])", shown("".join(lines))))]
    assert all(3 <= below <= above + 1 for above, below in pairwise(levels))


def test_an_answer_cannot_name_a_level_that_it_does_not_have() -> None:
    assert outline_after(shown('<h3 data-level="1">x</h3>\n\n`<h3 data-level="1">`'), ()) == ()
