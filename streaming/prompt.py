"""What a model is asked, in neutral words; providers spell it for their vendor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class PromptMessage:
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """`messages` alternate freely; the last one is what is to be answered. `max_tokens` bounds the answer."""

    messages: tuple[PromptMessage, ...]
    system: str = ""
    max_tokens: int = 4096

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything the model reads."""
        return (self.system, *(message.text for message in self.messages))
