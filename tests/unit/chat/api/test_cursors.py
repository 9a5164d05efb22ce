from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chat.api.cursors import Cursor, read_cursor, read_place, write_cursor, write_place
from chat.api.errors import Invalid
from streaming.events import Position

ONE, OTHER = "0b6f3a52-8f0e-4d2c-9a55-2f6d0a6b7c11", "1b6f3a52-8f0e-4d2c-9a55-2f6d0a6b7c11"


@pytest.mark.parametrize("epoch", ["a1b2c3", None])
def test_a_cursor_is_read_as_it_was_written(epoch: str | None) -> None:
    assert read_cursor(write_cursor(ONE, "2-17", epoch), ONE) == Cursor(Position(2, 17), epoch)


def test_a_bare_position_will_do() -> None:
    assert read_cursor("2-17", ONE) == Cursor(Position(2, 17), None)


@pytest.mark.parametrize("text", ["", "1", "1-", "-1-2", "1-2.", "1-2.zz.0b6f3a52", "1-2 ", "9" * 16 + "-1", "١-٢"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_cursor(text, ONE)
    assert refused.value.code == "bad_cursor"


def test_a_cursor_of_another_stream_is_refused() -> None:
    with pytest.raises(Invalid, match="another stream"):
        read_cursor(write_cursor(OTHER, "2-17", "a1b2c3"), ONE)


def test_a_place_in_a_list_is_read_as_it_was_written() -> None:
    at = datetime(2026, 11, 21, 18, 30, 1, 123456, tzinfo=UTC)
    assert read_place(write_place(at, 42)) == (at, 42)


@pytest.mark.parametrize("text", ["", "x", "1-", "-1", "é-1", "9" * 17 + "-1",
                                  write_place(datetime(2026, 1, 1, tzinfo=UTC), 2**63)])  # fmt: skip
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_place(text)
