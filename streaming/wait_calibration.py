"""Makes promises hold: a quantile is corrected by how its own past announcements turned out (rolling conformal). Pure.

Whatever the simulation believes wrongly (a limit, the pace of a provider, who gives up), the ratio of actual to
announced waits shows it, and the factor that would have been right for nine of ten corrects the next ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

WINDOW: Final = 120
PRIOR: Final = 12
"""So many imagined promises that were kept exactly: a few real ones do not swing the factor."""
FACTOR_MIN, FACTOR_MAX = 0.4, 4.0


class Calibration:
    """Of one quantile, for one kind of wait. All waits in seconds."""

    def __init__(self, share: float, ignore: float = 1.0) -> None:
        """A factor between 1 / `ignore` and `ignore` is taken for chance: errors of one busy hour go together."""
        self._share, self._ignore = share, ignore
        self._ratios: deque[float] = deque(maxlen=WINDOW)

    def factor(self, running: Iterable[float] = ()) -> float:
        """What to multiply the announcement with. `running`: ratios that waits of now have reached already."""
        ratios = sorted([*self._ratios, *running, *[1.0] * PRIOR])
        wanted = ratios[min(len(ratios) - 1, int(self._share * len(ratios)))]
        if 1 / self._ignore < wanted < self._ignore:
            return 1.0
        return max(FACTOR_MIN, min(FACTOR_MAX, wanted))

    def learn(self, actual_s: float, announced_s: float) -> None:
        self._ratios.append(ratio(actual_s, announced_s))

    def learn_of_who_left(self, waited_s: float, announced_s: float) -> None:
        """Somebody gave up: that tells only that the wait was longer. It counts if the promise was broken by then;
        otherwise those who leave just before a broken promise would make promises look better than they are."""
        if waited_s > announced_s * self.factor():
            self.learn(waited_s, announced_s)


def ratio(actual_s: float, announced_s: float) -> float:
    """A second on both sides keeps short waits from ruling."""
    return (max(0.0, actual_s) + 1.0) / (announced_s + 1.0)
