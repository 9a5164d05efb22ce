"""Sentences of the server in the reader's language, with their values as it writes them; `words.js` does the same.

A refusal brings its sentences. A row keeps one English text of how an answer ended: there the sentences of which it was
made are found again by their patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from django.utils.formats import number_format
from django.utils.translation import gettext

from chat.sentences import SENTENCES
from streaming.errors import Sentence

_NAME: Final = re.compile(r"%\((\w+)\)s")
_NUMBER: Final = re.compile(r"\d{1,3}(,\d{3})*")
#: Of a message: no row keeps more.
_MAX_CHARS: Final = 300


def worded(sentences: Iterable[Sentence]) -> str:
    return " ".join(gettext(one.text) % _written(one) for one in sentences)


def said(message: str) -> str:
    """What is not made of known sentences stays as it is."""
    if not message:
        return ""  # the empty one is the catalogue's own header
    if message in SENTENCES or len(message) > _MAX_CHARS:
        return gettext(message)
    found = _found(message)
    return gettext(message) if found is None else worded(found)


def _found(message: str) -> list[Sentence] | None:
    if not message:
        return []
    for text, pattern in _patterns():
        match = pattern.match(message)
        rest = _found(message[match.end() :]) if match else None
        if match and rest is not None:
            values = {name: _value(value) for name, value in match.groupdict().items()}
            return [Sentence(text, values), *rest]
    return None


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The longest first: what begins another one must not be taken for it."""
    whole = sorted((text for text in SENTENCES if text.endswith(".")), key=len, reverse=True)
    return tuple((text, re.compile(_pattern(text))) for text in whole)


def _pattern(text: str) -> str:
    fixed, *named = _NAME.split(text)
    pairs = zip(named[::2], named[1::2], strict=True)
    return re.escape(fixed) + "".join(f"(?P<{name}>.+?){re.escape(after)}" for name, after in pairs) + "(?: |$)"


def _value(value: str) -> str | int:
    return int(value.replace(",", "")) if _NUMBER.fullmatch(value) else value


def _written(one: Sentence) -> dict[str, str]:
    return {name: _number(value) if isinstance(value, int) else value for name, value in one.values.items()}


def _number(value: int) -> str:
    return str(number_format(value, force_grouping=True))
