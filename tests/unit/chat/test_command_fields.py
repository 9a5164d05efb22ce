from typing import get_args

import pytest

from chat import command_fields
from chat.command_fields import (
    Rule,
    Wrong,
    read_flag,
    read_message_text,
    read_name,
    read_position,
    read_text,
    read_uuid,
)
from streaming.events import Position


def test_every_kind_of_field_says_what_it_holds() -> None:
    rules = [rule for kind in vars(command_fields).values() for rule in get_args(kind) if isinstance(rule, Rule)]
    assert len(rules) >= 10
    assert all(rule.about for rule in rules)


@pytest.mark.parametrize(
    ("read", "value", "code"),
    [
        (read_text, None, "bad_field"),
        (read_text, "\0", "invalid_text"),
        (read_name, "", "bad_field"),
        (read_name, "x" * 65, "bad_field"),
        (read_message_text, " ", "empty_message"),
        (read_message_text, "x" * 32_001, "message_too_long"),
        (read_uuid, "3F2B8C1E-0000-4000-8000-00000000000A", "bad_field"),
        (read_position, "1", "bad_field"),
        (read_flag, 1, "bad_field"),
    ],
)
def test_what_breaks_a_rule_is_named(read: object, value: object, code: str) -> None:
    with pytest.raises(Wrong) as wrong:
        read(value)  # type: ignore[operator]
    assert wrong.value.code == code


def test_a_position_is_read_as_a_position() -> None:
    assert read_position("2-17") == Position(2, 17)
