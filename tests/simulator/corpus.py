"""The simulator's text: the same for the same script, on every machine."""

from __future__ import annotations

import random
from functools import lru_cache

_PLAIN = (
    " the", " of", " answer", " is", " kept", " until", " every", " reader", " has", " it", ",", ".", "\n", " a", "ing",
    " stream", " worker", " and", " one", " position", " after", " another", ";", " log", " first", " then", " -", "7",
)  # fmt: skip
#: Signs whole and in pieces: a family as one token and as its parts, \r\n as one token and as two.
_UNICODE = (
    "👩‍👩‍👧‍👦", "👩", "\u200d", "👧", "🏳️‍🌈", "🇳", "🇱", "👍", "🏿", "日本語", "文", "€", "한국어", "क्षत्रिय",
    "e", "\u0301", "é", "\r\n", "\r", "\n", " שלום", " مرحبا", "\u2028", "🦊", "\t", '"', "\\", "</script>", "ﬁ",
)  # fmt: skip


@lru_cache(maxsize=256)
def tokens(count: int, seed: int, unicode: bool, paragraph: int = 0) -> tuple[str, ...]:
    """`paragraph`: a blank line instead of every so many-th token."""
    choose = random.Random(seed)
    plain = [choose.choice(_PLAIN) for _ in range(count)]
    if unicode:
        for at in range(0, count, 2):
            plain[at] = _UNICODE[(at // 2 + seed) % len(_UNICODE)]
    if paragraph:
        plain[paragraph - 1 :: paragraph] = ["\n\n"] * len(plain[paragraph - 1 :: paragraph])
    return tuple(plain)
