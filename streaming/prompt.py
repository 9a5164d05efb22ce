"""What a model is asked, in neutral words; providers spell it for their vendor."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class PromptMessage:
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the vendor chooses its words; what is not said is left to it. Models differ in what they take: see
    `providers.parameters`."""

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    #: The answer ends before the first of these.
    stop: tuple[str, ...] = ()

    @property
    def given(self) -> dict[str, Any]:
        """What was said, by its name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value not in (None, ())}


@dataclass(frozen=True, slots=True)
class Prompt:
    """`messages` alternate freely; the last one is what is to be answered. `max_tokens` bounds the answer. Prompts with
    the same `cache_key` begin alike, so a vendor may remember them; empty: this one is asked only once."""

    messages: tuple[PromptMessage, ...]
    system: str = ""
    max_tokens: int = 4096
    sampling: Sampling = Sampling()
    cache_key: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything the model reads."""
        return (self.system, *(message.text for message in self.messages))
