"""A provider as it really is, behind what a lane believes of it: its own buckets, refusals and moods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streaming.lane_limits import Budget, ChargeMode, Observation

INFINITE: Final = float("inf")


@dataclass(slots=True)
class TrueBucket:
    """`per_minute` refills continuously up to `cap`."""

    per_minute: float
    cap: float
    level: float = 0.0
    at: float = 0.0
    used: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.cap

    def refill(self, now: float) -> None:
        self.level = min(self.cap, self.level + (now - self.at) * self.per_minute / 60)
        self.at = now

    def take(self, amount: float) -> None:
        self.level -= amount
        self.used += amount

    def wait_s(self, amount: float) -> float:
        """Until `amount` is there."""
        return max(0.0, (min(amount, self.cap) - self.level) * 60 / self.per_minute)


@dataclass(slots=True)
class Answering:
    """A request the provider works on: its output is produced evenly."""

    begun: float
    seconds: float
    output: int
    charged: float = 0.0

    def produced(self, now: float) -> float:
        return self.output * min(1.0, (now - self.begun) / self.seconds)


@dataclass(frozen=True, slots=True)
class Refusal:
    retry_after_s: float
    own_fault: bool


class Provider:
    """`ask` answers None (it answers) or a Refusal. `sulks(until)`: it refuses everybody, for no reason of ours."""

    def __init__(self, charge: ChargeMode, buckets: dict[Budget, TrueBucket]) -> None:
        self.buckets = buckets
        self._charge = charge
        self._answering: dict[str, Answering] = {}
        self._sulking_until = 0.0
        self.refusals_we_earned = 0

    def sulk(self, until: float) -> None:
        self._sulking_until = max(self._sulking_until, until)

    def ask(self, name: str, now: float, tokens_in: int, reserved: int, answer: tuple[int, float]) -> Refusal | None:
        """`reserved`: what a provider that reserves takes at the start; `answer`: output tokens, seconds."""
        self._advance(now)
        if now < self._sulking_until:
            return Refusal(self._sulking_until - now, own_fault=False)
        wants = self._wants(tokens_in, reserved)
        wait_s = max((self.buckets[budget].wait_s(amount) for budget, amount in wants.items()), default=0.0)
        if wait_s > 1e-6:
            self.refusals_we_earned += 1
            if self._charge is ChargeMode.RESERVE_MAX:
                self.buckets[Budget.REQUESTS].take(1)
            return Refusal(max(1.0, wait_s), own_fault=True)
        for budget, amount in wants.items():
            if budget is not Budget.OUTPUT:
                self.buckets[budget].take(amount)
        output, seconds = answer
        self._answering[name] = Answering(now, seconds, output)
        return None

    def end(self, name: str, now: float) -> None:
        self._advance(now)
        self._answering.pop(name, None)

    def produced(self, name: str, now: float) -> int:
        return int(self._answering[name].produced(now)) if name in self._answering else 0

    def headers(self, now: float) -> list[Observation]:
        self._advance(now)
        return [
            Observation(budget, bucket.per_minute, max(0, int(bucket.level))) for budget, bucket in self.buckets.items()
        ]

    def used(self) -> dict[Budget, float]:
        return {budget: bucket.used for budget, bucket in self.buckets.items()}

    def _wants(self, tokens_in: int, reserved: int) -> dict[Budget, float]:
        tokens = reserved if self._charge is ChargeMode.RESERVE_MAX else tokens_in
        wants = {Budget.REQUESTS: 1.0, Budget.INPUT: float(tokens), Budget.OUTPUT: 1e-3}
        return {budget: wants[budget] for budget in self.buckets}

    def _advance(self, now: float) -> None:
        for bucket in self.buckets.values():
            bucket.refill(now)
        output = self.buckets.get(Budget.OUTPUT)
        if output is None:
            return
        for item in self._answering.values():
            made = item.produced(now)
            output.take(made - item.charged)
            item.charged = made
