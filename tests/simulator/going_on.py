"""A model that is asked to go on with an answer of its own, and does so as models do: it repeats a little first."""

from __future__ import annotations

from typing import Any

from tests.simulator.script import Script

PIECE_CHARS = 6
#: Whoever asks to go on quotes at least so much, else it is the next question after an answer; and it is repeated only
#: where so much was said, since a shorter repetition cannot be told from the text itself (`streaming/continuation.py`).
QUOTED_CHARS = 12


def tokens(script: Script, body: dict[str, Any], whole: tuple[str, ...]) -> tuple[str, ...]:
    """What is left of `whole` after the text that the request quotes as the model's own; all if it quotes none."""
    text, shown = "".join(whole).replace("\r\n", "\n"), _own_words(body)
    if script.repeat < 0 or not shown or not text.startswith(shown):
        return whole
    repeated = script.repeat if len(shown) >= QUOTED_CHARS else 0
    rest = text[max(0, len(shown) - repeated) :]
    return tuple(rest[at : at + PIECE_CHARS] for at in range(0, len(rest), PIECE_CHARS))


def _own_words(body: dict[str, Any]) -> str:
    """The assistant's turn just before the last one, if that quotes its tail; in any of the three dialects."""
    turns = body.get("messages") or body.get("input") or []
    if len(turns) < 2 or turns[-2].get("role") != "assistant":
        return ""
    own = _text(turns[-2])
    return own if own[-QUOTED_CHARS:] in _text(turns[-1]) else ""


def _text(turn: dict[str, Any]) -> str:
    content = turn.get("content", "")
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
