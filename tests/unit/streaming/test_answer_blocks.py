from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming import markdown_html
from streaming.answer_blocks import AnswerBlocks, answer_html, cover, decode, encode, render_answer
from streaming.events import START, BlockRendered, Position, Started
from streaming.markdown import Block, Rendered

ONE, TWO, THREE = Block(1, "<p>é</p>\n"), Block(2, None), Block(3, '<p class="x">\\</p>')


def filled(*blocks: Block) -> AnswerBlocks:
    answer = AnswerBlocks()
    for index, block in enumerate(blocks):
        answer.confirm(Rendered(index, block))
    return answer


def test_a_row_gives_back_what_it_was_given() -> None:
    encoded = filled(ONE, TWO, THREE).encoded()
    assert decode(encoded) == [ONE, TWO, THREE]
    assert AnswerBlocks(encoded).encoded() == encoded == encode([ONE, TWO, THREE])
    assert decode("") == [] == decode(AnswerBlocks().encoded())


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.none() | st.text(max_size=5))))
def test_the_encoded_blocks_are_always_the_confirmed_ones(made: list[tuple[int, int, str | None]]) -> None:
    answer = AnswerBlocks()
    for index, lines, html in made:
        one = Rendered(index, Block(lines, html))
        ahead = decode(answer.encoded(one))
        answer.confirm(one)
        assert decode(answer.encoded()) == answer.confirmed == ahead


def test_blocks_of_another_version_count_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = filled(ONE).encoded()
    monkeypatch.setattr(markdown_html, "RENDERER_VERSION", markdown_html.RENDERER_VERSION + 1)
    assert decode(encoded) == []
    assert answer_html("é", encoded) is None


def test_what_is_confirmed_is_not_offered_again_and_what_differs_is() -> None:
    answer = filled(ONE, TWO)
    answer.offer([Rendered(0, ONE), Rendered(1, THREE), Rendered(2, ONE)])
    assert [one.index for one in answer.ready] == [1, 2]


def test_a_text_that_goes_on_opens_its_last_blocks_again() -> None:
    answer = filled(ONE, TWO, THREE)
    assert answer.reopen() == [ONE]
    assert decode(answer.encoded()) == [ONE]
    assert filled(ONE).reopen() == []


def test_blocks_of_the_log_are_taken_over() -> None:
    answer = filled(ONE)
    block = BlockRendered(generation="g", position=Position(1, 4), index=1, lines=3, html=THREE.html)
    answer.follow([Started(generation="g", position=Position(1, 1), attempt=1, follows=START, model="m"), block])
    assert answer.confirmed == [ONE, THREE]


@pytest.mark.parametrize(
    ("text", "lines", "whole"),
    [("a\nb", 2, True), ("a\nb", 1, False), ("a\n\n \n", 1, True), ("", 0, True), ("a", 2, False), ("\n\n", 0, True)],
)
def test_blocks_are_whole_if_only_blank_lines_are_left(text: str, lines: int, whole: bool) -> None:
    assert cover([Block(lines, "x")] if lines else [], text) is whole
    assert (filled(Block(lines, "x")).encoded_whole(text) != "") is whole


@settings(deadline=None)
@given(st.text(st.sampled_from("ab #*`\n-|[]>\\")))
def test_any_text_can_be_rendered_afterwards(text: str) -> None:
    html = answer_html(text, render_answer(text))
    assert html is not None or not text.strip()


def test_what_was_not_rendered_is_shown_as_it_was_written() -> None:
    encoded = json.dumps([markdown_html.RENDERER_VERSION, [1, "<p>a</p>\n"], [2, None], [1, "<p>b</p>\n"]])
    html = answer_html("a\n<x>\ny\nb", encoded)
    assert html == '<p>a</p>\n<pre tabindex="0"><code>&lt;x&gt;\ny</code></pre>\n<p>b</p>\n'
