"""One line that tells how long it still takes, and counts down by itself between two words of the site."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

_EVERY_S: Final = 1.0
_WHY: Final = {
    "paused": "the provider asked us to wait",
    "overloaded": "the provider is overloaded",
    "probing": "the provider is asked again carefully",
    "blocked": "the provider refuses us; an operator must look",
    "overtaken": "others came in between",
    "slower": "it goes slower than expected",
    "own": "your other answer comes first",
    "held": "an operator holds this line",
}
_REASONS: Final = {
    "starting": "starting",
    "waiting": "waiting",
    "waiting_for_queue": "waiting for the queue",
    "retrying": "trying again",
    "continuing": "another server goes on",
}


def sentence(frame: dict[str, Any], since_s: float = 0.0) -> str:
    """What a `stream.queued` says, `since_s` after it came."""
    words = []
    if frame.get("ahead") is not None:
        words.append(f"{ordinal(int(frame['ahead']) + 1)} in line")
    else:
        words.append(frame.get("message") or _REASONS.get(frame["reason"], frame["reason"]))
    likely, most = (_left(frame.get(name), since_s) for name in ("p50_s", "p90_s"))
    if likely is not None:
        words.append("any moment" if likely < 1 else f"about {duration(likely)}")
        if most is not None and most > max(likely * 1.3, likely + 5):
            words.append(f"at most {duration(most)}")
    if (retry := _left(frame.get("retry_in_s"), since_s)) is not None:
        words.append(f"in {duration(retry)}")
    if why := _WHY.get(frame.get("why") or ""):
        words.append(why)
    return " · ".join(words)


def _left(seconds: float | None, since_s: float) -> float | None:
    return None if seconds is None else max(0.0, seconds - since_s)


def duration(seconds: float) -> str:
    """Rounded as much as an estimate deserves."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 60:
        return f"{5 * round(seconds / 5)} s"
    return f"{round(seconds / 60)} min"


def ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


class WaitLine:
    """On a terminal the line is rewritten every second; elsewhere each change is a line of its own."""

    def __init__(self, output: TextIO | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._output, self._now = output or sys.stderr, now
        self._is_live = self._output.isatty()
        self._frame: dict[str, Any] | None = None
        self._heard_at = 0.0
        self._shown = ""
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None

    def tell(self, frame: dict[str, Any] | None) -> None:
        """The newest word; None: it waits no longer."""
        with self._lock:
            self._frame, self._heard_at = frame, self._now()
            self._show()
        if self._is_live and frame is not None and self._ticker is None:
            self._ticker = threading.Thread(target=self._tick, daemon=True)
            self._ticker.start()

    def close(self) -> None:
        self._over.set()
        if self._ticker is not None:
            self._ticker.join()
        self.tell(None)

    def _tick(self) -> None:
        while not self._over.wait(_EVERY_S):
            with self._lock:
                self._show()

    def _show(self) -> None:
        text = "" if self._frame is None else sentence(self._frame, self._now() - self._heard_at)
        if text == self._shown:
            return
        self._shown = text
        if self._is_live:
            self._output.write(f"\r\x1b[K{text}")
        elif text:
            self._output.write(f"{text}\n")
        self._output.flush()
