"""JSON from strangers: one object, or a reason why not. Nothing here raises anything but `BadJson`.

Python's own parser accepts NaN, numbers without end and repeated keys, and nested brackets exhaust its stack; all of it
is refused here before it is parsed or while it is.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

FRAME_MAX_BYTES: Final = 65_536
DEPTH_MAX: Final = 8
#: Integers that JavaScript holds exactly have at most 16 digits and a sign.
_INT_MAX_CHARS: Final = 17
_INT_MAX: Final = 2**53 - 1

# A whole string (its end may be missing) or one bracket. Possessive, so that no input makes it go back and try again.
_STRINGS_AND_BRACKETS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


class BadJson(Exception):
    """`code`: too_large, too_deep or bad_json."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


def parse_object(text: str, *, max_bytes: int = FRAME_MAX_BYTES, depth: int = DEPTH_MAX) -> dict[str, Any]:
    """The JSON object that `text` is. Raises BadJson."""
    _check_size(text, max_bytes)
    _check_depth(text, depth)
    try:
        value = _DECODER.decode(text)
    except ValueError:
        raise BadJson("bad_json", "This is not valid JSON.") from None
    if not isinstance(value, dict):
        raise BadJson("bad_json", "This is no JSON object.")
    return value


def _check_size(text: str, max_bytes: int) -> None:
    # Characters first: encoding a megabyte to learn that it is too large would be work for nothing.
    if len(text) > max_bytes or len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        raise BadJson("too_large", f"At most {max_bytes} bytes are read at once.")


def _check_depth(text: str, most: int) -> None:
    if text.count("[") + text.count("{") <= most:
        return
    depth = 0
    for match in _STRINGS_AND_BRACKETS.finditer(text):
        found = match.group()
        if found in "[{":
            depth += 1
            if depth > most:
                raise BadJson("too_deep", f"At most {most} levels are nested.")
        elif found in "]}":
            depth -= 1


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("bad_json", "A key stands twice in one object.")
    return found


def _small_int(digits: str) -> int:
    if len(digits) > _INT_MAX_CHARS or abs(int(digits)) > _INT_MAX:
        raise BadJson("bad_json", "A number is too large.")
    return int(digits)


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise BadJson("bad_json", "A number is too large.")
    return value


def _no_constant(name: str) -> NoReturn:
    raise BadJson("bad_json", f"{name} is not a number.")


#: One for all: `json.loads` would make one for each frame.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_without_repeats, parse_int=_small_int, parse_float=_finite_float, parse_constant=_no_constant
)
