"""A token count without a tokenizer, for when no provider told one. Pure."""

from __future__ import annotations

from typing import Final

BYTES_PER_TOKEN: Final = 4
"""English and code are near four bytes a token with the vocabularies of 2026, CJK near three: the guess errs by about
a quarter, and is always marked as counted."""


def estimate_tokens(*texts: str) -> int:
    """Tokens of all texts together, rounded up."""
    size = sum(len(text) if text.isascii() else len(text.encode()) for text in texts)
    return -(-size // BYTES_PER_TOKEN)
