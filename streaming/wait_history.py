"""What a lane's recent past says about the waits to come: services, people who gave up, arrivals. Pure.

Only the newest part of the past is used, and less of it when the provider has changed its speed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

from streaming.lane_snapshot import Arrival, Closed, Event, Service, WaitEnded

SERVICES_MAX: Final = 400
RECENT: Final = (30, 60)
"""A change shows in the last services: a large one soon, a smaller one in more of them."""
CHANGE_Z: Final = 3.5
CHECK_EVERY: Final = 5
PATIENCE_WINDOW_MS: Final = 600_000
ARRIVAL_WINDOW_MS: Final = 300_000
CLOSING_WINDOW_MS: Final = 3_600_000
SILENCE_GAPS: Final = 3.0
#: What an answer is thought to take before the first one ended: seconds, spread as answers usually are.
UNKNOWN_S: Final = (4.0, 6.0, 8.0, 10.0, 12.0, 15.0, 18.0, 22.0, 30.0, 45.0)


class WaitHistory:
    def __init__(self) -> None:
        self._services: deque[Service] = deque(maxlen=SERVICES_MAX)
        self._since_check = 0
        self._ended: deque[WaitEnded] = deque()
        self._arrivals: deque[Arrival] = deque()
        self._closings: deque[Closed] = deque()

    def learn(self, events: Iterable[Event]) -> None:
        """In the order in which they happened."""
        for event in events:
            match event:
                case Service():
                    self._learn_service(event)
                case WaitEnded():
                    self._ended.append(event)
                case Arrival():
                    self._arrivals.append(event)
                case Closed():
                    self._closings.append(event)

    def services_s(self) -> list[float]:
        """Recent service times, ascending; a guess while there are none."""
        if not self._services:
            return list(UNKNOWN_S)
        return sorted(max(0.05, event.seconds) for event in self._services)

    def output_ratios(self) -> list[float]:
        """Produced by estimated output tokens, of recent answers."""
        return [event.produced / event.estimated for event in self._services if event.estimated > 0] or [1.0]

    def hazard(self, now_ms: int, waiting_s: float) -> float:
        """How many waiting people give up per second and person; `waiting_s`: seconds that those here have waited."""
        while self._ended and self._ended[0].at_ms < now_ms - PATIENCE_WINDOW_MS:
            self._ended.popleft()
        gave_up = sum(event.gave_up for event in self._ended)
        exposure_s = waiting_s + sum(event.waited_s for event in self._ended)
        return gave_up / exposure_s if gave_up >= 3 and exposure_s > 60 else 0.0

    def arrivals(self, now_ms: int) -> tuple[float, list[tuple[str, int]]]:
        """New tickets per second, and whose they were with the spans of their tags. After a burst nobody else may come,
        so a silence counts as well: at a steady rate one in twenty is longer than three mean gaps."""
        while self._arrivals and self._arrivals[0].at_ms < now_ms - ARRIVAL_WINDOW_MS:
            self._arrivals.popleft()
        if len(self._arrivals) < 3:
            return 0.0, []
        seconds = max(30_000, now_ms - self._arrivals[0].at_ms) / 1000
        silence_s = (now_ms - self._arrivals[-1].at_ms) / 1000
        per_s = min(len(self._arrivals) / seconds, SILENCE_GAPS / max(1e-3, silence_s))
        return per_s, [(event.user, event.span) for event in self._arrivals]

    def closings(self, now_ms: int) -> tuple[float, list[float]]:
        """How often the provider closes the lane for no reason that could be foreseen, per second, and for how long."""
        while self._closings and self._closings[0].at_ms < now_ms - CLOSING_WINDOW_MS:
            self._closings.popleft()
        if len(self._closings) < 2:
            return 0.0, []
        seconds = max(600_000, now_ms - self._closings[0].at_ms) / 1000
        return len(self._closings) / seconds, [event.seconds for event in self._closings]

    def _learn_service(self, event: Service) -> None:
        self._services.append(event)
        self._since_check += 1
        if self._since_check < CHECK_EVERY:
            return
        self._since_check = 0
        for recent in RECENT:
            if len(self._services) >= 2.5 * recent and self._has_changed(recent):
                for _ in range(len(self._services) - recent):
                    self._services.popleft()

    def _has_changed(self, recent: int) -> bool:
        """Whether the mean of the logarithm of the last services left the noise of those before."""
        logs = [math.log(max(0.05, event.seconds)) for event in self._services]
        old, new = logs[:-recent], logs[-recent:]
        mean = sum(old) / len(old)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in old) / len(old))
        noise = max(1e-9, deviation * math.sqrt(1 / len(new) + 1 / len(old)))
        return abs(sum(new) / len(new) - mean) > CHANGE_Z * noise
