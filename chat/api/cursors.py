"""Where a program stands: in a stream (the `id:` of its events) and in a list. Pure.

A stream's cursor is `<position>.<epoch>.<tag>`: the position alone could not prove that what follows continues it (see
"Epochs" in PROTOCOL.md), and the tag shows a cursor of another stream. A bare position is understood as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from chat.api.errors import Invalid
from streaming.events import Position

STREAM_PATTERN: Final = r"^([0-9]{1,15}-[0-9]{1,15})(?:\.([0-9a-f]{0,32})\.([0-9a-f]{8}))?$"
PLACE_PATTERN: Final = r"^([0-9]{1,16})-([0-9]{1,18})$"
_STREAM: Final = re.compile(STREAM_PATTERN.strip("^$"))
_PLACE: Final = re.compile(PLACE_PATTERN.strip("^$"))
_ZERO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cursor:
    """`epoch` is None if it is not known."""

    position: Position
    epoch: str | None


def write_cursor(generation: str, position: str, epoch: str | None) -> str:
    return f"{position}.{epoch or ''}.{generation[:8]}"


def read_cursor(text: str, generation: str) -> Cursor:
    """Raises Invalid."""
    found = _STREAM.fullmatch(text)
    if found is None:
        raise Invalid("This is no id of an event of this stream.", param="starting_after", code="bad_cursor")
    position, epoch, tag = found.groups()
    if tag is not None and tag != generation[:8]:
        raise Invalid("This id belongs to an event of another stream.", param="starting_after", code="bad_cursor")
    return Cursor(Position.parse(position), epoch or None)


def write_place(at: datetime, pk: int) -> str:
    """A row's place in a list that is ordered by time."""
    return f"{(at - _ZERO) // timedelta(microseconds=1)}-{pk}"


def read_place(text: str) -> tuple[datetime, int]:
    """Raises Invalid."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise Invalid("This is no cursor of this list.", param="cursor", code="bad_cursor")
    return _ZERO + timedelta(microseconds=int(found[1])), int(found[2])
