"""Going on with an answer whose worker died: what the model is asked, and how the seam is closed (DESIGN 14).

Current Claude models refuse a prefilled answer, so going on is a user turn that quotes the tail. A model that repeats
some of it is normal; the repeated part is dropped. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from streaming.errors import RunGone
from streaming.prompt import Prompt, PromptMessage

TAIL_CHARS: Final = 200
OVERLAP_MIN_CHARS: Final = 12
"""A shorter repetition is more likely the text itself ("hel" + "lo") than a model that repeats its tail."""
OVERLAP_MIN_DISTINCT: Final = 5
"""Rules and indentation repeat themselves; dropping part of one would lose text."""

INSTRUCTION: Final = (
    "Your previous answer was cut off by a technical fault. Go on exactly where it stopped: no introduction, no "
    "apology, and repeat nothing. Begin with the character that follows this end of it:\n"
)


@dataclass(frozen=True, slots=True)
class VendorRun:
    """A run that the vendor keeps, and how many characters of the answer came before it. Without a handle: none."""

    handle: str = ""
    after_chars: int = 0


def continue_prompt(prompt: Prompt, text: str) -> Prompt:
    """The prompt that asks for the rest of `text`."""
    ask = PromptMessage("user", INSTRUCTION + text[-TAIL_CHARS:])
    return replace(prompt, messages=(*prompt.messages, PromptMessage("assistant", text), ask))


def asks_to_continue(prompt: Prompt) -> bool:
    """Whether `continue_prompt` made this prompt."""
    return bool(prompt.messages) and prompt.messages[-1].text.startswith(INSTRUCTION)


class Seam:
    """A filter for the continuing attempt: drops the longest repetition of the tail from the head of the new text.

    It keeps the head back only while a longer repetition is still possible, which usually the first delta settles.
    """

    def __init__(self, text: str) -> None:
        self._tail = text[-TAIL_CHARS:]
        self._head: str | None = ""

    def feed(self, text: str) -> str:
        if self._head is None:
            return text
        self._head += text
        if self._may_grow(self._head):
            return ""
        return self.flush()

    def flush(self) -> str:
        head, self._head = self._head or "", None
        return head[self._overlap(head) :]

    def _may_grow(self, head: str) -> bool:
        """Whether some end of the tail begins with all of the head and has more to come."""
        at = self._tail.find(head)
        return at >= 0 and at + len(head) < len(self._tail)

    def _overlap(self, head: str) -> int:
        for size in range(min(len(head), len(self._tail)), OVERLAP_MIN_CHARS - 1, -1):
            if self._tail.endswith(head[:size]) and len(set(head[:size])) >= OVERLAP_MIN_DISTINCT:
                return size
        return 0


class Shown:
    """A filter for an attempt that reads the same run again from its start: drops exactly the text that people have
    already. Raises RunGone if the run says something else; until then nothing of it has gone on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def feed(self, text: str) -> str:
        left = len(self._text) - self._at
        if not left:
            return text
        if not self._text.startswith(text[:left], self._at):
            raise RunGone
        self._at += min(left, len(text))
        return text[left:]

    def flush(self) -> str:
        return ""
