"""Filters see the text as it streams: `feed` returns what may go on, `flush` what was kept back at the end.

A transformer rewrites; a validator raises `Vetoed`. Both must work across the borders of deltas, so each keeps back
what could still become something it cares about. Settings name them by dotted path and arguments (FEATURES B4).
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Protocol

from streaming.errors import Vetoed


class Filter(Protocol):
    def feed(self, text: str) -> str: ...

    def flush(self) -> str: ...


class CleanText:
    """Always first. Every line ends with \\n (\\r\\n and \\r become it), NUL goes (PostgreSQL stores none), surrogate
    halves that arrive in two deltas are joined and lone ones become U+FFFD (UTF-8 has none)."""

    _ODD: Final = re.compile("[\r\0\ud800-\udfff]")

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        if not self._held and not self._ODD.search(text):
            return text
        text = self._held + text.replace("\0", "")  # first: what was around a NUL is neighbours from now on
        self._held = ""
        if text and (text[-1] == "\r" or "\ud800" <= text[-1] <= "\udbff"):
            text, self._held = text[:-1], text[-1]
        return self._clean(text)

    def flush(self) -> str:
        held, self._held = self._held, ""
        return self._clean(held)

    @staticmethod
    def _clean(text: str) -> str:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class SecretRedactor:
    """A transformer: words that look like keys of well-known services are replaced, whatever deltas they come in."""

    _SECRET: Final = re.compile(
        r"(?<![A-Za-z0-9_])"
        r"(?:sk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16}|xox[abpr]-[A-Za-z0-9-]{20,})"
    )
    #: Keys consist of these alone: any other character ends one, so text without blanks is not held back either.
    _KEY_CHARS: Final = string.ascii_letters + string.digits + "_-"
    #: No key is longer: what goes on like this goes out in pieces.
    _KEY_MAX: Final = 512

    def __init__(self, replacement: str = "[secret removed]") -> None:
        self._replacement = replacement
        self._held = ""

    def feed(self, text: str) -> str:
        text = self._held + text
        cut = len(text.rstrip(self._KEY_CHARS))
        if len(text) - cut > self._KEY_MAX:
            cut = len(text)
        self._held = text[cut:]
        return self._SECRET.sub(self._replacement, text[:cut])

    def flush(self) -> str:
        held, self._held = self._held, ""
        return self._SECRET.sub(self._replacement, held)


class BannedPhrases:
    """A validator: stops the stream before any of the phrases is complete on a screen; case does not matter."""

    def __init__(self, phrases: Iterable[str], message: str | None = None) -> None:
        self._phrases = [_fold(phrase) for phrase in phrases if phrase]
        self._message = message
        self._held = ""

    def feed(self, text: str) -> str:
        text = self._held + text
        folded = _fold(text)
        found = [(at + len(phrase), at) for phrase in self._phrases if (at := folded.find(phrase)) >= 0]
        if found:
            self._held = ""
            _, begin = min(found)  # the one that is complete first, as if the text came letter by letter
            raise Vetoed(self._message, allowed=text[:begin])
        keep = max((self._overlap(folded, phrase) for phrase in self._phrases), default=0)
        cut = len(text) - keep
        self._held = text[cut:]
        return text[:cut]

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held

    @staticmethod
    def _overlap(text: str, phrase: str) -> int:
        """Length of the longest end of `text` that begins `phrase`."""
        for size in range(min(len(text), len(phrase) - 1), 0, -1):
            if text.endswith(phrase[:size]):
                return size
        return 0


def _fold(text: str) -> str:
    """`text` without differences of case, and as long as before: positions stay what they are."""
    return text.lower() if text.isascii() else "".join(map(_fold_letter, text))


@lru_cache(maxsize=4096)
def _fold_letter(letter: str) -> str:
    return next((folded for folded in (letter.casefold(), letter.lower()) if len(folded) == 1), letter)


class Chain:
    """Several filters as one. What one of them still allows when it vetoes passes the others before it is shown."""

    __slots__ = ("_filters",)

    def __init__(self, filters: Iterable[Filter]) -> None:
        self._filters = tuple(filters)

    def feed(self, text: str) -> str:
        return self._pass(text, is_end=False)

    def flush(self) -> str:
        return self._pass("", is_end=True)

    def _pass(self, text: str, *, is_end: bool) -> str:
        for number, one in enumerate(self._filters, 1):
            passed = ""
            try:
                if text:
                    passed = one.feed(text)
                if is_end:
                    passed += one.flush()
            except Vetoed as veto:
                veto.allowed = Chain(self._filters[number:])._pass(passed + veto.allowed, is_end=True)
                raise
            text = passed
        return text
