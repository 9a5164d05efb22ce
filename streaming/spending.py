"""What one attempt used, and who says so: for the ledger, the lane and the log. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from streaming.events import Position, StreamEvent, UsageReported
from streaming.prompt import Prompt
from streaming.providers.base import Usage
from streaming.tokens import estimate_tokens


@dataclass(frozen=True, slots=True)
class Found:
    """What an attempt knows of the one before it, which was lost: the text that people have, our count of the prompt,
    and what the log has of vendors' own counts, by attempt."""

    text: str
    input_tokens: int
    seen: Mapping[int, Usage] = field(default_factory=dict)


class Spending:
    """Of the attempt that asks `prompt`, at first."""

    def __init__(self, prompt: Prompt) -> None:
        #: As asked at last: going on from text changes it.
        self.prompt = prompt
        #: The provider's count.
        self.reported: Usage | None = None
        self._first_prompt = prompt
        self._seen: dict[int, Usage] = {}

    def read_log(self, events: Iterable[StreamEvent]) -> None:
        """Of earlier attempts. One that was killed after its provider had told its count left it here."""
        for event in events:
            if isinstance(event, UsageReported):
                counts = (event.input_tokens, event.output_tokens, event.cached_tokens)
                self._seen[event.position.attempt] = Usage(*counts)

    def found(self, text: str) -> Found:
        return Found(text, estimate_tokens(*self._first_prompt.texts), self._seen)

    def of(self, own_text: str | None) -> tuple[Usage | None, str]:
        """Tokens of this attempt and who counted them: the provider, or else we. `own_text`: what it wrote; None if
        nobody was asked, or the provider refused."""
        if self.reported is not None:
            return self.reported, "provider"
        if own_text is None:
            return None, ""
        return Usage(estimate_tokens(*self.prompt.texts), estimate_tokens(own_text)), "counted"

    def event(self, generation_id: str) -> Callable[[Position], UsageReported]:
        """The provider's count, for the log."""
        usage = self.reported or Usage(0, 0)
        return lambda position: UsageReported(
            generation=generation_id,
            position=position,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
        )
