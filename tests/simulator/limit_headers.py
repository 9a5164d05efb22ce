"""How the two vendors tell of their limits in a response's headers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

#: Anthropic rounds what is left of tokens.
ROUNDED_TO = 1000


class Level(NamedTuple):
    """One bucket: its limit a minute, what is left of it, and seconds until it is full."""

    limit: float
    left: float
    full_s: float


def is_anthropic(path: str) -> bool:
    return path == "/v1/messages"


def anthropic(levels: dict[str, Level], now: float) -> dict[str, str]:
    """Times in whole seconds of RFC 3339; `tokens` is the tighter of the two token limits."""
    tokens = [level for name, level in levels.items() if name != "requests"]
    tightest = {"tokens": min(tokens, key=lambda level: level.left / level.limit)} if tokens else {}
    headers: dict[str, str] = {}
    for name, level in {**levels, **tightest}.items():
        left = max(0.0, level.left)
        rounded = int(left) if name == "requests" else min(round(left / ROUNDED_TO) * ROUNDED_TO, int(level.limit))
        headers |= _three(f"anthropic-ratelimit-{name}-{{}}", level.limit, rounded, _moment(now + level.full_s))
    return headers


def openai(levels: dict[str, Level], now: float) -> dict[str, str]:
    """Durations; `tokens` are input and output together. It has no output bucket of its own."""
    names = {"requests": "requests", "input-tokens": "tokens"}
    headers: dict[str, str] = {}
    for name, theirs in names.items():
        if level := levels.get(name):
            left, reset = int(max(0.0, level.left)), duration(level.full_s)
            headers |= _three(f"x-ratelimit-{{}}-{theirs}", level.limit, left, reset)
    return headers


def duration(seconds: float) -> str:
    """As Go prints it: 12ms, 8.64s, 6m0s."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return (f"{minutes:.0f}m" if minutes else "") + f"{rest:.3f}".rstrip("0").rstrip(".") + "s"


def _three(name: str, limit: float, left: int, reset: str) -> dict[str, str]:
    return {
        name.format("limit"): f"{limit:.0f}",
        name.format("remaining"): str(left),
        name.format("reset"): reset,
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(round(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
