"""Names and titles on one line: what people and models write there cannot pretend to be something else."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Bidirectional embeddings, overrides and isolates turn what stands beside them; the others cannot be seen at all.
# Joiners and marks of direction stay: emoji, Persian and mixed text need them.
_UNSEEN: Final = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\u2060-\u2064\u206a-\u206f\u00ad\ufeff\ufff9-\ufffb]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: Marks that sit on a letter: some pile hundreds on one and cover what is above.
MARKS_MAX: Final = 8
_PILE: Final = re.compile(rf"([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{{{MARKS_MAX}}})"
                          r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+")  # fmt: skip


def clean_line(text: str) -> str:
    """The text on one line, without what cannot be seen. Empty if nothing visible is left."""
    line = _PILE.sub(r"\1", _UNSEEN.sub("", _CONTROL.sub(" ", text)))
    line = " ".join(line.split())
    return line if any(_is_visible(char) for char in line) else ""


def shortened(line: str, chars: int) -> str:
    return line if len(line) <= chars else line[: chars - 1].rstrip() + "…"


def _is_visible(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNPS"
