"""Server-sent events as text. Pure. What clients do with which line is in the README of this package."""

from __future__ import annotations

import json
from typing import Any, Final

DONE: Final = "data: [DONE]\n\n"


def data(value: Any) -> str:
    """An event without name and id: JSON on one line."""
    return f"data: {compact(value)}\n\n"


def event(name: str, body: str, id: str | None = None) -> str:
    """`body` is JSON, on one line."""
    head = f"event: {name}\n" if id is None else f"id: {id}\nevent: {name}\n"
    return f"{head}data: {body}\n\n"


def comment(words: str) -> str:
    """Ignored by every reader; keeps connections open, and tells people who look."""
    return f": {' '.join(words.split())}\n\n"


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
