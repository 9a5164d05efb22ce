"""What one person was told of one wait, and how it really went. Pure: times are arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

#: A promise counts as kept within this.
KEPT_WITHIN_S = 0.5
#: A number is as the countdown showed it within this: frames of a busy machine come late, and people see steps of 5 s.
SAME_WITHIN_S = 2.0
#: What `why` says while no number rose.
NO_REASON = frozenset({"open", "own", None, ""})


@dataclass(frozen=True, slots=True)
class Told:
    """`since`: it may have lain there unread from then on, while the test itself stood still. `is_new`: nobody could
    tell before (the boards had stopped), and the person was told that."""

    at: float
    p50_s: float
    p90_s: float
    why: str | None
    since: float
    is_new: bool = False


@dataclass(slots=True)
class WaitRecord:
    """`hear` takes each `stream.queued` frame as it arrives. `lost_s`: of this wait, to a machine that stood still."""

    told: list[Told] = field(default_factory=list)
    started_at: float | None = None
    lost_s: float = 0.0
    _is_unknown: bool = False

    def hear(self, frame: dict[str, Any], now: float, since: float | None = None) -> None:
        if self.started_at is None and frame.get("p50_s") is None:
            self._is_unknown = frame.get("reason") == "waiting"
        elif self.started_at is None and frame.get("p90_s") is not None:
            since = now if since is None else min(since, now)
            self.told.append(Told(now, frame["p50_s"], frame["p90_s"], frame.get("why"), since, self._is_unknown))
            self._is_unknown = False

    def start(self, now: float) -> None:
        if self.started_at is None:
            self.started_at = now

    @property
    def is_scored(self) -> bool:
        return bool(self.told) and self.started_at is not None

    @property
    def is_kept(self) -> bool:
        assert self.started_at is not None
        return self.started_at - self.told[0].at <= self.told[0].p90_s + KEPT_WITHIN_S + self.lost_s

    @property
    def spread_s(self) -> tuple[float, float]:
        """The first p50, and how far the p90 lies above it."""
        return self.told[0].p50_s, self.told[0].p90_s - self.told[0].p50_s

    def silent_rises(self) -> list[str]:
        """Numbers that rose above what the person's countdown showed, without a reason."""
        found, shown_end = [], self.told[0].at + self.told[0].p50_s
        for told in self.told[1:]:
            rose_s = told.since + told.p50_s - max(told.since, shown_end)
            if rose_s > SAME_WITHIN_S and told.why in NO_REASON and not told.is_new:
                found.append(f"by {rose_s:.1f} s to {told.p50_s:.1f} s, {told.why}")
            shown_end = told.at + told.p50_s
        return found

    def passed_first_p90(self) -> bool:
        """Whether a number was shown that ended after the first promise, with nothing that explains it."""
        if self.lost_s:
            return False
        promised = self.told[0].at + self.told[0].p90_s + KEPT_WITHIN_S
        return any(told.p50_s > 0 and told.since + told.p50_s > promised for told in self.told[1:])


@dataclass(frozen=True, slots=True)
class Honesty:
    """Of many waits: shares from 0 to 1, seconds."""

    waits: int
    kept: float
    passed: float
    silent_rises: tuple[str, ...]
    median_p50_s: float
    median_width_s: float
    mean_error_s: float

    def __str__(self) -> str:
        return (
            f"{self.waits} waits: p90 kept {self.kept:.1%}, median p90 - p50 {self.median_width_s:.1f} s at a median "
            f"p50 of {self.median_p50_s:.1f} s, mean error of p50 {self.mean_error_s:.2f} s, "
            f"shown past the first p90 {self.passed:.1%}, rises without a reason {len(self.silent_rises)}"
        )


def judge(records: Sequence[WaitRecord]) -> Honesty:
    scored = [record for record in records if record.is_scored]
    assert scored, "nobody was told a wait"
    spreads = [record.spread_s for record in scored]
    errors = [abs((record.started_at or 0.0) - record.told[0].at - record.told[0].p50_s) for record in scored]
    return Honesty(
        waits=len(scored),
        kept=sum(record.is_kept for record in scored) / len(scored),
        passed=sum(record.passed_first_p90() for record in scored) / len(scored),
        silent_rises=tuple(rise for record in scored for rise in record.silent_rises()),
        median_p50_s=median(p50_s for p50_s, _ in spreads),
        median_width_s=median(width_s for _, width_s in spreads),
        mean_error_s=sum(errors) / len(errors),
    )
