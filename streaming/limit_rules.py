"""What each setting of a lane means to people, and which values make sense. Pure; one table for the environment, the
settings and the admin's form, so that all three accept the same and say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from streaming.lane_limits import ChargeMode, LaneLimits

NO_LIMIT: Final = ("none", "")
_BOOLEANS: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def gettext_noop(text: str) -> str:
    """For translators, who find it by this name; nothing here knows languages."""
    return text


@dataclass(frozen=True, slots=True)
class Rule:
    """One field of LaneLimits. `least` and `most` bound a number; `optional`: None stands for "no such limit"."""

    kind: type
    help: str
    least: float = 0.0
    most: float = 0.0
    optional: bool = False


RULES: Final[dict[str, Rule]] = {
    "requests_per_minute": Rule(
        float, gettext_noop("Requests that the provider allows per minute. Empty: no such limit."), 0.01, 1e7, True
    ),
    "input_tokens_per_minute": Rule(
        float,
        gettext_noop(
            "Tokens of questions (with their history) that the provider allows per minute. Empty: no such limit."
        ),
        1,
        1e10,
        True,
    ),
    "output_tokens_per_minute": Rule(
        float,
        gettext_noop("Tokens of answers that the provider allows per minute. Empty: no such limit."),
        1,
        1e10,
        True,
    ),
    "concurrency": Rule(
        int,
        gettext_noop("Answers that may be written at the same time. Empty: as many as the workers have room for."),
        1,
        1e5,
        True,
    ),
    "user_concurrency": Rule(
        int,
        gettext_noop("Answers that one person may have written at the same time here. Empty: no such limit."),
        1,
        1e5,
        True,
    ),
    "user_queue": Rule(
        int,
        gettext_noop("Questions that one person may have waiting here; one more is refused. Empty: no such limit."),
        1,
        1e5,
        True,
    ),
    "queue_max": Rule(
        int,
        gettext_noop("Questions of all people that may wait here; one more is refused. Empty: no such limit."),
        1,
        1e6,
        True,
    ),
    "charge": Rule(
        ChargeMode,
        gettext_noop(
            "How the provider counts the tokens of an answer: as they are produced (Anthropic), or the most that "
            "may come when the request begins (OpenAI)."
        ),
    ),
    "burst_s": Rule(
        float,
        gettext_noop(
            "How much may start at once after a rest, in seconds of the rates above: 10 lets a sixth of a minute's "
            "allowance start together."
        ),
        0.1,
        3600,
    ),
    "pace": Rule(
        float,
        gettext_noop(
            "Share of the rates above that is used, from 0.1 to 1. A little below 1, people wait for our own count, "
            "which can be foretold, and not for the provider's refusal, which cannot."
        ),
        0.1,
        1,
    ),
    "ramp_start": Rule(
        float,
        gettext_noop(
            "Share of the rates with which it starts after five idle minutes; it doubles each minute. 1: at full speed."
        ),
        0.01,
        1,
    ),
    "adopt_higher": Rule(
        bool,
        gettext_noop(
            "Whether the provider's answers may raise a limit above the number here. Switch it off where other "
            "programs use the same key."
        ),
    ),
    "handoff_s": Rule(
        float,
        gettext_noop("Seconds that a worker has to begin an answer that may start, before another one is asked."),
        1,
        60,
    ),
}


def parse_limits(text: str) -> dict[str, Any]:
    """Keyword arguments of LaneLimits from "requests_per_minute=20,concurrency=3". Raises ValueError (a sentence)."""
    limits: dict[str, Any] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, word = (part.strip() for part in item.partition("="))
        if not equals:
            raise ValueError(f"{item!r} is not of the form name=number")
        if name in limits:
            raise ValueError(f"{name!r} stands there twice")
        limits[name] = _read(name, word)
    return limits


def check_limits(limits: Mapping[str, Any]) -> LaneLimits:
    """The limits as an object. Raises ValueError with a sentence for a name or value that makes no sense."""
    for name, value in limits.items():
        _check(name, value)
    charge = limits.get("charge")
    return LaneLimits(**limits if charge is None else {**limits, "charge": ChargeMode(charge)})


def _read(name: str, word: str) -> Any:
    rule = _rule(name)
    if rule.kind is bool:
        if word.lower() not in _BOOLEANS:
            raise ValueError(f"{name} must be yes or no, not {word!r}")
        return _BOOLEANS[word.lower()]
    value: Any = word
    if rule.optional and word.lower() in NO_LIMIT:
        value = None
    elif rule.kind in (int, float):
        value = _number(name, word, rule)
    _check(name, value)
    return ChargeMode(value) if rule.kind is ChargeMode else value


def _number(name: str, word: str, rule: Rule) -> float:
    try:
        return rule.kind(word)  # type: ignore[no-any-return]
    except ValueError:
        raise ValueError(f"{name} must be {_wanted(rule)}, not {word!r}") from None


def _check(name: str, value: Any) -> None:
    rule = _rule(name)
    if value is None and rule.optional:
        return
    if rule.kind is ChargeMode:
        fits = value in list(ChargeMode)
    elif rule.kind is bool:
        fits = isinstance(value, bool)
    else:
        number = isinstance(value, int if rule.kind is int else int | float) and not isinstance(value, bool)
        fits = number and rule.least <= value <= rule.most  # a NaN fits nothing
    if not fits:
        raise ValueError(f"{name} must be {_wanted(rule)}, not {value!r}")


def _rule(name: str) -> Rule:
    if name not in RULES:
        raise ValueError(f"there is no limit {name!r}. Known: {', '.join(RULES)}")
    return RULES[name]


def _wanted(rule: Rule) -> str:
    if rule.kind is ChargeMode:
        return " or ".join(ChargeMode)
    if rule.kind is bool:
        return "yes or no"
    number = "a whole number" if rule.kind is int else "a number"
    return f"{number} from {rule.least:g} to {rule.most:.12g}" + (" or none" if rule.optional else "")
