"""When is a changed wait worth telling, and what is said? One announcer per waiting ticket and viewer. Pure.

The viewer counts down by itself, so nothing is sent while things go as announced. A number climbs only if the wait
really grew, and then never without saying why: a minute past a promise costs more trust than a minute less wins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from streaming.wait_board import Wait

RISE_SHARE: Final = 0.25
RISE_MIN_S: Final = 5.0
FALL_SHARE: Final = 0.15
FALL_MIN_S: Final = 3.0
BREAK_SHARE: Final = 0.25
BREAK_MIN_S: Final = 10.0
"""One promise in ten is missed, most by little. While no more than this is left, "any moment" is true enough."""
AHEAD_EXACT: Final = 10
PERIOD_MIN_S, PERIOD_MAX_S = 1.0, 15.0


@dataclass(frozen=True, slots=True)
class Announcement:
    """Seconds from which the viewer counts down; None: nobody can tell. A promise (`p90_s`) begins as a round number.
    `reason` says why a number rose: paused, overloaded, probing, held, blocked (see `Wait`), overtaken (others who used
    less go first) or slower (than foreseen)."""

    ahead: int
    p50_s: float | None
    p90_s: float | None
    why: str
    reason: str = ""
    resume_s: float | None = None
    message: str = ""


class Announcer:
    def __init__(self) -> None:
        self._said: Announcement | None = None
        self._said_at = 0.0
        self._p50_at = 0.0  # when the viewer's clock reaches zero
        self._promise_at, self._promise_s = 0.0, 0.0  # the first p90: when it ends, and how long it was

    def consider(self, wait: Wait, now: float) -> Announcement | None:
        """What to send, or None. `now` in seconds of any steady clock."""
        said = self._said
        if said is None or wait.p50_s is None or wait.p90_s is None or said.p50_s is None:
            return self._begin(wait, now)
        broken = self._breaks_promise(wait.p50_s, now)
        p50_s = wait.p50_s if broken else min(wait.p50_s, self._left_s(now))
        shown_s = max(0.0, self._p50_at - now)
        later_s = p50_s - shown_s
        rose = later_s > max(RISE_MIN_S, RISE_SHARE * p50_s)
        fell = -later_s > max(FALL_MIN_S, FALL_SHARE * p50_s)
        if wait.why == said.why:
            if now - self._said_at < min(PERIOD_MAX_S, max(PERIOD_MIN_S, p50_s / 20)):
                return None
            if not (rose or fell or _moved_up(said.ahead, wait.ahead)):
                return None
        if not rose:  # no number above what the viewer's countdown shows
            p50_s = min(p50_s, shown_s)
        if broken or (fell and _rounded_up(wait.p90_s) < self._left_s(now)):
            self._promise(wait.p90_s, now)
        return self._send(wait, now, p50_s, max(p50_s, self._left_s(now)), _reason(wait, said) if rose else "")

    def _begin(self, wait: Wait, now: float) -> Announcement | None:
        """The first one, or nobody can tell any more, or somebody can tell again."""
        said = self._said
        if said is not None and wait.p50_s is None and (said.p50_s, said.why) == (None, wait.why):
            return None
        if wait.p90_s is not None:
            self._promise(wait.p90_s, now)
        reason = wait.why if said is not None and wait.p50_s is None else ""
        return self._send(wait, now, wait.p50_s, None if wait.p90_s is None else self._promise_s, reason)

    def _promise(self, p90_s: float, now: float) -> None:
        self._promise_s = _rounded_up(p90_s)
        self._promise_at = now + self._promise_s

    def _left_s(self, now: float) -> float:
        return max(0.0, self._promise_at - now)

    def _breaks_promise(self, p50_s: float, now: float) -> bool:
        return p50_s - self._left_s(now) > max(BREAK_MIN_S, BREAK_SHARE * self._promise_s)

    def _send(self, wait: Wait, now: float, p50_s: float | None, p90_s: float | None, reason: str = "") -> Announcement:
        self._said_at, self._p50_at = now, now + (p50_s or 0.0)
        self._said = Announcement(wait.ahead, p50_s, p90_s, wait.why, reason, wait.resume_s, wait.message)
        return self._said


def _rounded_up(seconds: float) -> float:
    """A promise as people say it: in steps of 5 s below a minute, 15 s below five minutes, then minutes."""
    step = 5 if seconds < 60 else 15 if seconds < 300 else 60
    return float(step * max(1, math.ceil(seconds / step)))


def _moved_up(said: int, ahead: int) -> bool:
    return ahead < said and (ahead < AHEAD_EXACT or said - ahead >= said / 10)


def _reason(wait: Wait, said: Announcement) -> str:
    if wait.why not in ("open", "own"):
        return wait.why
    return "overtaken" if wait.ahead > said.ahead else "slower"
