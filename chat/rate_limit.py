"""How much one socket may ask for: pure arithmetic, the time is an argument."""

from __future__ import annotations

from collections import deque


class TokenBucket:
    """`burst` at once, `per_second` in the long run."""

    __slots__ = ("_burst", "_per_second", "_then", "_tokens")

    def __init__(self, per_second: float, burst: int, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = float(burst)
        self._then = now

    def take(self, now: float) -> bool:
        """Take one; False if there is none."""
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._per_second)
        self._then = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Strikes:
    """Counts faults; `limit` of them within `period_s` are too many."""

    __slots__ = ("_limit", "_period_s", "_times")

    def __init__(self, limit: int, period_s: float) -> None:
        self._limit = limit
        self._period_s = period_s
        self._times: deque[float] = deque(maxlen=limit)

    def strike(self, now: float) -> bool:
        """Note a fault; True if it was one too many."""
        self._times.append(now)
        return len(self._times) == self._limit and now - self._times[0] <= self._period_s
