"""Whom a message calls by name: "@assistant", or @ and the alias of a model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

ASSISTANT: Final = "assistant"
# Not within a word: that would be an address.
_CALL: Final = re.compile(r"(?<![\w@.+-])@([\w][\w.:/+-]*)")


def called(text: str, aliases: Iterable[str]) -> list[str]:
    """ "assistant" and aliases of models that the text calls, each once, in their order. Case does not matter."""
    known = {name.casefold(): name for name in (*aliases, ASSISTANT)}
    found = (_known(name.casefold(), known) for name in _CALL.findall(text))
    return list(dict.fromkeys(name for name in found if name is not None))


def _known(name: str, known: dict[str, str]) -> str | None:
    """The longest beginning that is a name: a full stop or colon may follow it."""
    while name and name not in known:
        name = name[:-1] if name[-1] in ".:/+-" else ""
    return known.get(name)
