"""What a scripted model says, for tests that compare."""

from __future__ import annotations

from tests.simulator import corpus
from tests.simulator.script import parse


def text_of(model: str, tokens: int | None = None) -> str:
    """The whole text of a model's script, or of its first `tokens` tokens."""
    script = parse(model)
    return "".join(corpus.tokens(script.tokens, script.seed, bool(script.unicode), script.paragraph)[:tokens])
