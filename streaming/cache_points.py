"""Up to which messages a vendor should remember a prompt for the next one. Pure.

A conversation's prompts grow at their end: what was asked last time is the beginning of what is asked now. So it is
worth remembering the system text, the question before (which was remembered last time) and this one. What a vendor
remembers costs more to read once and a tenth the next time; prompts that are asked only once have no `cache_key`.
"""

from __future__ import annotations

from dataclasses import dataclass

from streaming.prompt import Prompt
from streaming.tokens import estimate_tokens


@dataclass(frozen=True, slots=True)
class CachePoints:
    """`messages` are their places in the prompt; with `system` at most three points, where vendors allow four."""

    system: bool = False
    messages: frozenset[int] = frozenset()


def cache_points(prompt: Prompt, min_tokens: int) -> CachePoints:
    """Vendors remember nothing that is shorter than `min_tokens` up to there."""
    if not prompt.cache_key:
        return CachePoints()
    read = estimate_tokens(prompt.system)
    is_long = bool(prompt.system) and read >= min_tokens
    asked: list[int] = []
    for place, message in enumerate(prompt.messages):
        read += estimate_tokens(message.text)
        if message.role == "user" and read >= min_tokens:
            asked.append(place)
    return CachePoints(is_long, frozenset(asked[-2:]))
