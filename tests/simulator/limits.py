"""What the simulated vendor allows, and what it had to refuse. Both vendors run continuously refilled buckets:

Anthropic (`/v1/messages`)  requests, uncached input and output tokens; output counts as it is produced, `max_tokens`
                            does not; a refusal takes nothing and names the seconds to wait.
OpenAI (both dialects)      requests and tokens; input and the most that may come are taken at the start and never
                            given back; a refused request counts; no time to wait is named.

Neither documents a limit of concurrent requests; `concurrency` is for the lane's own promise. A request that is larger
than a bucket starts from a full one and leaves a debt.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from tests.simulator import limit_headers
from tests.simulator.exchange import Exchange

MINUTE_S = 60.0
#: What `usage` says was read from the cache, which Anthropic does not count.
CACHED_TOKENS = 3
#: How the three protocols call the most that may come; without it the vendor has a default of its own.
OUTPUT_FIELDS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
OUTPUT_DEFAULT = 4096


@dataclass(frozen=True, slots=True)
class Allowance:
    """Per minute of the vendor's clock; 0: no such limit. OpenAI's tokens are `input_tokens_per_minute`."""

    requests_per_minute: float = 0.0
    input_tokens_per_minute: float = 0.0
    output_tokens_per_minute: float = 0.0
    concurrency: int = 0
    #: What may come at once from rest, in seconds of the rate. OpenAI's headers show a whole minute's worth.
    burst_s: float = MINUTE_S
    #: The vendor's clock is so many times faster than ours: rates grow, what may come at once does not.
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.scale <= 10:
            raise ValueError("time may be scaled by 10 at most")

    @classmethod
    def parse(cls, words: str) -> Allowance:
        """`requests_per_minute=20,concurrency=3`. ValueError for a word that does not exist."""
        pairs = (pair.partition("=") for pair in words.split(",") if pair)
        return cls.of({name: value for name, _, value in pairs})

    @classmethod
    def of(cls, values: dict[str, Any]) -> Allowance:
        kinds = {field.name: type(field.default) for field in fields(cls)}
        if unknown := values.keys() - kinds:
            raise ValueError(f"the simulator knows no limit {min(unknown)!r}")
        return cls(**{name: kinds[name](value) for name, value in values.items()})


class Refusal(NamedTuple):
    """`fault` is the script's word for it; `wait_s` negative: the vendor does not say."""

    why: str
    fault: str
    wait_s: float = -1.0


class Bucket:
    def __init__(self, per_minute: float, allowance: Allowance, now: float) -> None:
        self.per_minute = per_minute * allowance.scale
        self.capacity = max(1.0, per_minute * allowance.burst_s / MINUTE_S)
        self.level, self._at = self.capacity, now

    def refill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + max(0.0, now - self._at) * self.per_minute / MINUTE_S)
        self._at = now

    def missing_s(self, amount: float) -> float:
        """Until `amount` is there; 0 if it is."""
        return max(0.0, min(amount, self.capacity) - self.level) * MINUTE_S / self.per_minute

    def full_s(self) -> float:
        return self.missing_s(self.capacity)


class Quota:
    """One group of models that share limits: `ask` for each request, and the counts of what was seen."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float] = time.time) -> None:
        self.allowance = allowance
        self._clock = clock
        named = {
            "requests": allowance.requests_per_minute,
            "input-tokens": allowance.input_tokens_per_minute,
            "output-tokens": allowance.output_tokens_per_minute,
        }
        self.buckets = {name: Bucket(rate, allowance, clock()) for name, rate in named.items() if rate}
        self._paused_until, self._pause_fault, self._pause_is_named = 0.0, "", True
        self._running: dict[int, Callable[[], bool]] = {}
        self.forget()

    def forget(self) -> None:
        """The counts begin again; levels, pauses and what runs stay."""
        self.asked = self.answered = self.most_running = 0
        #: Own faults by what was exceeded, and refusals that were commanded.
        self.refused: Counter[str] = Counter()
        self.paused = 0

    def pause(self, status: int, seconds: float, *, is_named: bool = True) -> None:
        """From now on every request is refused with 429, 503 or 529; a 429 names the time unless `is_named` is off."""
        self._paused_until, self._pause_fault = self._clock() + seconds, str(status)
        self._pause_is_named = is_named and status == 429

    @property
    def own_faults(self) -> int:
        """429s that the client earned by asking for more than it was allowed."""
        return self.refused.total()

    def ask(self, exchange: Exchange) -> Refusal | None:
        """None: it is answered, and taken from the buckets."""
        now = self._clock()
        self._refill(now)
        self.asked += 1
        if now < self._paused_until:
            self.paused += 1
            named_s = math.ceil(self._paused_until - now) if self._pause_is_named else -1.0
            return Refusal("paused", self._pause_fault, named_s)
        reserves = not limit_headers.is_anthropic(exchange.path)
        wants = self._wants(exchange, reserves)
        if why := self._short_of(wants):
            return self._refuse(why, wants, reserves)
        for name, amount in wants.items():
            self.buckets[name].level -= amount if name != "output-tokens" else 0.0
        self.answered += 1
        self._run(exchange, reserves)
        return None

    def keep_counting(self, exchange: Exchange, is_running: Callable[[], bool]) -> None:
        """The model goes on with this one even if its client leaves."""
        self._running[exchange.number] = is_running

    def headers(self, path: str) -> dict[str, str]:
        self._refill(self._clock())
        spell = limit_headers.anthropic if limit_headers.is_anthropic(path) else limit_headers.openai
        levels = {
            name: limit_headers.Level(bucket.per_minute, bucket.level, bucket.full_s())
            for name, bucket in self.buckets.items()
        }
        return spell(levels, self._clock())

    @property
    def running(self) -> int:
        self._running = {number: is_running for number, is_running in self._running.items() if is_running()}
        return len(self._running)

    def seen(self) -> dict[str, Any]:
        self._refill(self._clock())
        return {
            "asked": self.asked,
            "answered": self.answered,
            "own_faults": self.own_faults,
            "refused": dict(self.refused),
            "paused": self.paused,
            "running": self.running,
            "most_running": self.most_running,
            "levels": {name: bucket.level for name, bucket in self.buckets.items()},
        }

    def _wants(self, exchange: Exchange, reserves: bool) -> dict[str, float]:
        prompt = exchange.script.input
        asked = next((exchange.body[name] for name in OUTPUT_FIELDS if exchange.body.get(name)), OUTPUT_DEFAULT)
        tokens = prompt + asked if reserves else max(0, prompt - CACHED_TOKENS)
        # As it is produced: to begin with there must only be something left.
        wants = {"requests": 1.0, "input-tokens": float(tokens)} | ({} if reserves else {"output-tokens": 1e-3})
        return {name: amount for name, amount in wants.items() if name in self.buckets}

    def _short_of(self, wants: dict[str, float]) -> str:
        if self.allowance.concurrency and self.running >= self.allowance.concurrency:
            return "concurrency"
        # A millisecond of grace: the clocks of two processes on one machine are no closer.
        return next((name for name, amount in wants.items() if self.buckets[name].missing_s(amount) > 1e-3), "")

    def _refuse(self, why: str, wants: dict[str, float], reserves: bool) -> Refusal:
        self.refused[why] += 1
        if reserves and (requests := self.buckets.get("requests")) is not None:
            requests.level = max(0.0, requests.level - 1.0)
        wait_s = max((self.buckets[name].missing_s(amount) for name, amount in wants.items()), default=0.0)
        return Refusal(why, "429", -1.0 if reserves else max(1, math.ceil(wait_s)))

    def _run(self, exchange: Exchange, reserves: bool) -> None:
        self._running[exchange.number] = lambda: exchange.ended_at is None
        self.most_running = max(self.most_running, self.running)
        if not reserves and (output := self.buckets.get("output-tokens")) is not None:
            exchange.on_sent = lambda: self._produce(output)

    def _produce(self, output: Bucket) -> None:
        output.refill(self._clock())
        output.level -= 1.0

    def _refill(self, now: float) -> None:
        for bucket in self.buckets.values():
            bucket.refill(now)
