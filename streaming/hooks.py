"""The engine knows no conversations: what it must ask its host, it asks through dotted paths in the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.utils.module_loading import import_string

from streaming import conf
from streaming.prompt import Prompt


@dataclass(frozen=True, slots=True)
class AfterEnd:
    """What to do once the end of a generation is committed: frames to fan out, and generations to dispatch."""

    broadcasts: list[tuple[str, str]] = field(default_factory=list)
    start: list[str] = field(default_factory=list)


@cache
def _load(path: str) -> Callable[[Any], Any]:
    loaded: Callable[[Any], Any] = import_string(path)
    return loaded


def build_prompt(generation_id: str) -> Prompt:
    """Called just before the claim's transaction, or inside it."""
    prompt: Prompt = _load(conf.get().prompt_builder)(generation_id)
    return prompt


def generation_ended(generation_id: str) -> AfterEnd:
    """Called inside the transaction that ended the generation."""
    path = conf.get().on_ended
    if not path:
        return AfterEnd()
    after: AfterEnd = _load(path)(generation_id)
    return after


def user_weight(user_id: int) -> float:
    """A person's share in the fair order of a lane."""
    path = conf.get().user_weight
    return float(_load(path)(user_id)) if path else 1.0
