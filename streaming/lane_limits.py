"""What a provider allows, as it is configured and as its answers' headers show it. Pure.

Both vendors run continuously refilled buckets; their headers give limit, level and time to full:

    anthropic-ratelimit-{requests,input-tokens,output-tokens}-{limit,remaining,reset}   reset: RFC 3339 time
    x-ratelimit-{limit,remaining,reset}-{requests,tokens}                               reset: "6m0s", "8.64s", "12ms"

OpenAI's `tokens` are input and output together, reserved at the start: they are the input bucket of a lane whose charge
mode is RESERVE_MAX. A window that is not a minute (its requests per day) shows in the time to full.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Literal

MINUTE_S: Final = 60.0
COARSE_S: Final = 5.0
PAUSED: Final = "An administrator paused this model. Your question keeps its place."
DRAINING: Final = "An administrator takes this model out of service."
_WINDOWS_S: Final = (1.0, 60.0, 3600.0, 86_400.0)


class ChargeMode(StrEnum):
    #: Output tokens count as they are produced; `max_tokens` does not (Anthropic).
    AS_PRODUCED = "as_produced"
    #: The most that may come is taken at the start and never given back, nor is a failed request (OpenAI).
    RESERVE_MAX = "reserve_max"


class Budget(StrEnum):
    REQUESTS = "r"
    INPUT = "i"
    OUTPUT = "o"


@dataclass(frozen=True, slots=True)
class Hold:
    """An administrator's order to a lane: nobody starts, what runs goes on. While it pauses, questions are accepted and
    wait; while it drains, new ones are refused. `until_ms` 0: until it is withdrawn."""

    kind: Literal["pause", "drain"]
    until_ms: int = 0

    @property
    def sentence(self) -> str:
        """For the people who wait; why, only administrators read."""
        return PAUSED if self.kind == "pause" else DRAINING


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """The configuration of one lane. None: no such limit."""

    requests_per_minute: float | None = None
    input_tokens_per_minute: float | None = None
    output_tokens_per_minute: float | None = None
    concurrency: int | None = None
    user_concurrency: int | None = 2
    #: Waiting tickets of one user, and of the lane; beyond them an enqueue that may be refused is refused.
    user_queue: int | None = 5
    queue_max: int | None = 1000
    charge: ChargeMode = ChargeMode.AS_PRODUCED
    #: How much may start at once from rest, in seconds of the rate. Vendors do not say; headers widen it.
    burst_s: float = 10.0
    #: Share of the rate that is used. Below 1 our own bucket is the one people wait for, and ours can be foretold.
    pace: float = 0.98
    #: After five idle minutes the speed starts at this share and doubles each minute; 1: no ramp.
    ramp_start: float = 1.0
    #: Whether headers may raise a limit above the configured one. False where other programs share the key.
    adopt_higher: bool = True
    handoff_s: float = 5.0

    def fields(self) -> dict[str, str]:
        """As the lane's script stores it: an empty string removes a limit."""
        return {
            "r": self._bucket(self.requests_per_minute, least=1.0),
            "i": self._bucket(self.input_tokens_per_minute),
            "o": self._bucket(self.output_tokens_per_minute),
            "conc": _word(self.concurrency),
            "user_conc": _word(self.user_concurrency),
            "user_queue": _word(self.user_queue),
            "queue_max": _word(self.queue_max),
            "reserve_max": "1" if self.charge is ChargeMode.RESERVE_MAX else "",
            "burst": _word(round(self.burst_s * 1000)),
            "pace": _word(self.pace),
            "ramp_start": _word(self.ramp_start),
            "adopt_higher": "1" if self.adopt_higher else "",
            "handoff": _word(round(self.handoff_s * 1000)),
        }

    def digest(self) -> str:
        """Differs when the configuration does."""
        return "c" + hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    def _bucket(self, per_minute: float | None, least: float = 0.0) -> str:
        if per_minute is None:
            return ""
        capacity = max(least, per_minute * min(1.0, self.burst_s / MINUTE_S))
        return f"{per_minute:.12g} {per_minute / MINUTE_S * self.pace:.12g} {capacity:.12g}"


@dataclass(frozen=True, slots=True)
class Observation:
    """One budget as an answer's headers show it."""

    budget: Budget
    limit: float
    remaining: float
    window_s: float = MINUTE_S


def observations(headers: Mapping[str, str], now: datetime | None = None) -> list[Observation]:
    """What an answer says about the buckets; headers that make no sense are left out. Keys in lower case."""
    moment = now or datetime.now(UTC)
    return [*_anthropic(headers, moment), *_openai(headers)]


def exhausted(seen: list[Observation]) -> Budget | None:
    """The budget that a refusal's headers show empty, if they do: then the levels explain it, not our own speed."""
    empty = [item for item in seen if item.remaining < max(1.0, item.limit / 1000)]
    return empty[0].budget if empty else None


def _anthropic(headers: Mapping[str, str], now: datetime) -> Iterator[Observation]:
    names = {"requests": Budget.REQUESTS, "input-tokens": Budget.INPUT, "output-tokens": Budget.OUTPUT}
    for name, budget in names.items():
        stem = f"anthropic-ratelimit-{name}-"
        limit, remaining, reset = (headers.get(stem + part) for part in ("limit", "remaining", "reset"))
        yield from _one(budget, limit, remaining, _until_s(reset, now))


def _until_s(reset: str | None, now: datetime) -> float | None:
    """Seconds until an RFC 3339 time. It comes in whole seconds, so a near one is too coarse to tell a window from."""
    try:
        then = datetime.fromisoformat((reset or "").strip())
    except ValueError:
        return None
    seconds = (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    return seconds if seconds >= COARSE_S else None


def _openai(headers: Mapping[str, str]) -> Iterator[Observation]:
    for name, budget in (("requests", Budget.REQUESTS), ("tokens", Budget.INPUT)):
        limit, remaining, reset = (
            headers.get(f"x-ratelimit-{part}-{name}") for part in ("limit", "remaining", "reset")
        )
        yield from _one(budget, limit, remaining, duration_s(reset or ""))


def _one(budget: Budget, limit: str | None, remaining: str | None, reset_s: float | None) -> Iterator[Observation]:
    most, left = _number(limit), _number(remaining)
    if most is not None and left is not None and most > 0:
        left = min(left, most)
        yield Observation(budget, most, left, _window_s(most, left, reset_s))


def _window_s(limit: float, remaining: float, reset_s: float | None) -> float:
    """The time in which an empty bucket fills, of the usual ones; a minute if the header does not show it."""
    if reset_s is None or reset_s <= 0 or remaining >= limit:
        return MINUTE_S
    seen = reset_s * limit / (limit - remaining)
    nearest = min(_WINDOWS_S, key=lambda window: abs(math.log(seen / window)))
    return nearest if abs(math.log(seen / nearest)) < math.log(1.5) else MINUTE_S


_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def duration_s(text: str) -> float | None:
    """Seconds of "1h2m3.5s", "12ms" or a bare number; None for anything else."""
    text = text.strip()
    if bare := _number(text):
        return bare
    parts = list(_DURATION.finditer(text))
    if not parts or "".join(part.group() for part in parts) != text:
        return None
    return sum(float(part[1]) * _UNIT_S[part[2]] for part in parts)


def _number(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\d{1,15}(\.\d{1,9})?", text.strip()):
        return None
    return float(text)


def _word(value: float | None) -> str:
    return "" if value is None else f"{value:.12g}"
