import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.strict_json import DEPTH_MAX, FRAME_MAX_BYTES, BadJson, parse_object


def code_of(text: str) -> str:
    with pytest.raises(BadJson) as refused:
        parse_object(text)
    return refused.value.code


@pytest.mark.parametrize("text", ["", "x", "[]", "1", '"a"', "null", "{", '{"a":}', "{'a':1}", "\ufeff{}", '{"a":1}x'])
def test_what_is_not_one_object_is_bad_json(text: str) -> None:
    assert code_of(text) == "bad_json"


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "-" + "9" * 17, str(2**53), '{"b":1,"b":1}']
)
def test_values_that_python_would_accept_and_javascript_would_not_are_bad_json(text: str) -> None:
    assert code_of(f'{{"a":{text}}}') == "bad_json"


@pytest.mark.parametrize(
    "text", ["[" * 60_000, '{"a":' * 10_000, '{"a":' + "[" * DEPTH_MAX, '{"a":"\\"","b":' + "[" * 9]
)
def test_deep_nesting_is_refused_before_it_is_parsed(text: str) -> None:
    assert code_of(text) == "too_deep"


def test_brackets_within_strings_do_not_nest() -> None:
    assert parse_object('{"a":"\\"[[[[[[[[[[[{{{{{{{"}') == {"a": '"[[[[[[[[[[[{{{{{{{'}


def test_the_permitted_depth_is_accepted() -> None:
    text = '{"a":' + "[" * (DEPTH_MAX - 1) + "]" * (DEPTH_MAX - 1) + "}"
    assert parse_object(text)["a"]


def test_size_is_counted_in_bytes() -> None:
    assert parse_object(f'{{"a":"{"x" * (FRAME_MAX_BYTES - 8)}"}}')
    assert code_of(f'{{"a":"{"x" * (FRAME_MAX_BYTES - 7)}"}}') == "too_large"
    assert code_of(f'{{"a":"{"語" * (FRAME_MAX_BYTES // 3)}"}}') == "too_large"
    assert code_of("[" * 1_000_000) == "too_large"


@pytest.mark.parametrize("text", ['\\"' * 32_000, '"' * 65_000, '"\\' * 32_000, '["' * 32_000, '"' + "\\" * 65_000])
def test_no_input_takes_long(text: str) -> None:
    started = time.thread_time()
    code_of(text)
    assert time.thread_time() - started < 1.0


@given(st.text(st.characters(categories=None), max_size=300) | st.text('{}[]",:\\ \n0e1tn', max_size=300))
def test_no_text_raises_anything_else(text: str) -> None:
    with suppress(BadJson):
        parse_object(text)
