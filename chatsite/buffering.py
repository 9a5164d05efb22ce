"""Does a proxy hold back what is streamed? A web process sends a few lines with pauses; here they are timed."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from typing import Final
from urllib.parse import urlsplit

from streaming.diagnosis import Finding

PATH: Final = "/livez/stream"
LINES: Final = 4
PAUSE_S: Final = 0.25
TIMEOUT_S: Final = 10
#: Of the time between the first and the last line as they were sent: less means that they came together.
SHARE_MIN: Final = 0.5


def buffering(url: str) -> list[Finding]:
    """Raises OSError and http.client's."""
    arrivals, status = _arrivals(url)
    if status != http.client.OK or len(arrivals) < LINES:
        advice = f"Does the proxy pass {PATH} on to a web process?"
        return [Finding("proxy", "error", f"{url} answered {status} to the streaming test.", advice)]
    spread_s = arrivals[-1] - arrivals[0]
    if spread_s < SHARE_MIN * PAUSE_S * (LINES - 1):
        advice = "Switch buffering off (nginx: `proxy_buffering off`), or answers over SSE come in one piece."
        return [Finding("proxy", "error", f"{url} holds back what is streamed.", advice)]
    return [Finding("proxy", "ok", f"{url} passes on each line as it comes.")]


def _arrivals(url: str) -> tuple[list[float], int]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)) as connection:
        connection.request("GET", parts.path.rstrip("/") + PATH, headers={"Accept": "text/event-stream"})
        answer = connection.getresponse()
        arrivals = []
        while line := answer.readline():
            if line.strip():
                arrivals.append(time.monotonic())
    return arrivals, answer.status
