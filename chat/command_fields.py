"""What the fields of commands may hold: one rule per kind of field, found through the annotations of the classes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from uuid import UUID

from streaming.events import Position

MESSAGE_MAX_CHARS: Final = 32_000

# A lone surrogate cannot be encoded, and PostgreSQL refuses NUL. Everything else people may write.
_NOT_TEXT: Final = re.compile("[\\0\\ud800-\\udfff]")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DIGITS: Final = re.compile(r"[0-9]+-[0-9]+")
_FARTHEST: Final = Position(999_999_999_999_999, 999_999_999_999_999)


class Wrong(Exception):
    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


class WrongText(Wrong):
    """What a person wrote cannot be sent: `reason` is a sentence for them, but for its full stop."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a field is read (raises Wrong), what the documentation says about it, and the same as a JSON schema."""

    read: Callable[[object], object]
    about: str
    schema: dict[str, Any] = field(hash=False)


def read_text(value: object) -> str:
    if not isinstance(value, str):
        raise Wrong("bad_field", "must be a string")
    if _NOT_TEXT.search(value):
        raise Wrong("invalid_text", "holds characters that cannot be stored")
    return value


def read_name(value: object) -> str:
    text = read_text(value)
    if not 1 <= len(text) <= 64:
        raise Wrong("bad_field", "must have 1 to 64 characters")
    return text


def read_model(value: object) -> str:
    text = read_text(value)
    if not 1 <= len(text) <= 100:
        raise Wrong("bad_field", "must have 1 to 100 characters")
    return text


def read_message_text(value: object) -> str:
    try:
        text = read_text(value)
    except Wrong as wrong:
        if not isinstance(value, str):
            raise
        raise WrongText(wrong.code, f"That message {wrong.reason}") from None
    if not text.strip():
        raise WrongText("empty_message", "That message is empty: write something first")
    if len(text) > MESSAGE_MAX_CHARS:
        raise WrongText("message_too_long", f"That message is too long: at most {MESSAGE_MAX_CHARS:,} characters")
    return text


def read_natural(value: object) -> int:
    if type(value) is not int or value < 0:  # `type`, because True is an int as well
        raise Wrong("bad_field", "must be a whole number, 0 or more")
    return value


def read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Wrong("bad_field", "must be true or false")
    return value


def read_uuid(value: object) -> UUID:
    # Only the canonical spelling: an id has one name, whoever compares it.
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise Wrong("bad_field", "must be a UUID in lower case with dashes")
    return UUID(value)


def read_position(value: object) -> Position:
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        raise Wrong("bad_field", "must be <attempt>-<seq>")
    try:
        return Position.parse(value)
    except ValueError:
        return _FARTHEST  # nothing can be there: answered like any position from the future, recovered: false


def string_schema(most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most}


_UUID_SCHEMA: Final = {"type": "string", "format": "uuid", "pattern": f"^{_UUID.pattern}$"}
_NATURAL_SCHEMA: Final = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}
_TEXT_SCHEMA: Final = {"type": "string", "pattern": r"\S", "maxLength": MESSAGE_MAX_CHARS}
_POSITION_SCHEMA: Final = {"type": "string", "pattern": f"^{_DIGITS.pattern}$"}

ConversationId = Annotated[UUID, Rule(read_uuid, "UUID", _UUID_SCHEMA)]
GenerationId = Annotated[UUID, Rule(read_uuid, "UUID", _UUID_SCHEMA)]
MessageId = Annotated[int, Rule(read_natural, "number", _NATURAL_SCHEMA)]
Revision = Annotated[int, Rule(read_natural, "number", _NATURAL_SCHEMA)]
Count = Annotated[int, Rule(read_natural, "number", _NATURAL_SCHEMA)]
Flag = Annotated[bool, Rule(read_flag, "true or false", {"type": "boolean"})]
Name = Annotated[str, Rule(read_name, "string, 1 to 64 characters", string_schema(64))]
ModelAlias = Annotated[str, Rule(read_model, "alias of a model", string_schema(100))]
Instructions = Annotated[
    str, Rule(read_text, "string, at most 20,000 characters", {"type": "string", "maxLength": 20_000})
]
MessageText = Annotated[
    str, Rule(read_message_text, f"string, not blank, at most {MESSAGE_MAX_CHARS:,} characters", _TEXT_SCHEMA)
]
After = Annotated[Position, Rule(read_position, "position `<attempt>-<seq>`", _POSITION_SCHEMA)]
