"""The model "auto": each question goes to a small or a large model, by a rule that the site may replace.

    STREAMING["auto"] = {"small": alias, "large": alias, "rule": dotted path of `rule(question) -> bool`}

It is decided when the question is accepted, so people see at once who answers: row and message name the chosen model.
The rule of this module, `needs_large`, is true if one of these holds:

- the question is longer than 1,000 characters, or holds a code block (three backticks or tildes)
- it asks more than two things (question marks)
- it uses a word that asks for thought: prove, derive, analyse, evaluate, compare, design, refactor, debug, optimise,
  architecture, trade-off, proof, theorem, algorithm, "step by step", "in depth", "explain why", "root cause"
- more than 20 messages were written in the conversation before
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from django.utils.module_loading import import_string

from streaming import conf, providers

ALIAS: Final = "auto"
LABEL: Final = "Auto"
DEFAULT_RULE: Final = "streaming.routing.needs_large"
LONG_CHARS: Final = 1000
QUESTIONS_MAX: Final = 2
EARLIER_MAX: Final = 20
_FENCE: Final = re.compile(r"^\s{0,3}(```|~~~)", re.MULTILINE)
_MARKS: Final = re.compile(r"[?？؟]+")
_THOUGHT: Final = re.compile(
    r"\b(prov(e|es|ing)|proofs?|theorems?|deriv(e|es|ing|ation)|analy[sz](e|es|ing|is)|evaluat(e|es|ing|ion)"
    r"|compar(e|es|ing|ison)|design(s|ing)?|refactor(s|ing)?|debug(s|ging)?|optimi[sz](e|es|ing|ation)"
    r"|architectures?|trade-?offs?|algorithms?|step[ -]by[ -]step|in depth|explain why|root cause)\b",
    re.IGNORECASE,
)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """`earlier`: how many messages the conversation had before."""

    text: str
    earlier: int = 0


Rule = Callable[[Question], bool]


def needs_large(question: Question) -> bool:
    text = question.text
    return (
        len(text) > LONG_CHARS
        or question.earlier > EARLIER_MAX
        or len(_MARKS.findall(text)) > QUESTIONS_MAX
        or _FENCE.search(text) is not None
        or _THOUGHT.search(text) is not None
    )


def is_offered() -> bool:
    """Only where both models can be used: nobody should choose what then fails for some questions."""
    auto = conf.get().auto
    usable = {entry.alias for entry in providers.catalogue() if not entry.unavailable}
    return bool(auto) and {auto["small"], auto["large"]} <= usable


def choose(question: Question) -> str:
    """The alias of the model that is to answer. A rule that fails costs money, not answers: the large one."""
    auto = conf.get().auto
    try:
        large = bool(_rule(auto.get("rule") or DEFAULT_RULE)(question))
    except Exception as error:  # without its words and its trace: they may quote the question
        log.error("the rule of the model %r failed (%s): the large model answers", ALIAS, type(error).__name__)
        large = True
    return str(auto["large" if large else "small"])


@cache
def _rule(path: str) -> Rule:
    rule: Rule = import_string(path)
    return rule
