"""People who wait in a lane beside a measurement: sockets, questions, places and boards as in real life (`--waiting`).

Their lane has one slot, taken by an answer that outlasts every benchmark; nobody else is in that lane.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from tests.bench.machine import NotMeasured
from tests.bench.processes import Helper

if TYPE_CHECKING:
    from tests.bench.site import Site

MODEL: Final = "line"
SCRIPT: Final = "sim-tokens=2500,rate=5"
ASKS_PER_S: Final = 40.0
GATHER_S: Final = 90.0


def model(address: str) -> dict[str, Any]:
    """For the site's catalogue."""
    limits = {"concurrency": 1, "user_queue": None, "queue_max": None}
    return {"alias": MODEL, "label": MODEL, "provider": "openai", "dialect": "chat", "model": SCRIPT,
            "base_url": address, "api_key": "none", "lane": MODEL, "limits": limits}  # fmt: skip


class Crowd:
    """`with Crowd(site, 500):` they wait until its end."""

    def __init__(self, site: Site, waiting: int) -> None:
        self._site, self._waiting = site, waiting
        self._load = Helper("tests.bench.load")

    def __enter__(self) -> Self:
        people = self._site.people(self._waiting + 1)
        load = self._load.__enter__()
        load.do("open", kind="chat", port=self._site.port, sockets=people.sockets(), shared=False)
        load.do("watch", conversations=people.conversations)
        asks = [
            [number / ASKS_PER_S, number, home, f"waiting {number}", MODEL]
            for number, home in enumerate(people.conversations)
        ]
        load.do("ask", asks=asks)
        deadline = time.monotonic() + GATHER_S + self._waiting / ASKS_PER_S
        while (placed := self._placed()) < self._waiting:
            if time.monotonic() > deadline:
                raise NotMeasured(f"{placed} of {self._waiting} people wait")
            time.sleep(0.5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        still = self._placed()
        self._load.__exit__(kind, error, trace)
        if kind is None and still < self._waiting:
            raise NotMeasured(f"only {still} of {self._waiting} people waited to the end")

    def _placed(self) -> int:
        query = "SELECT count(*) AS n FROM streaming_generation WHERE status = 'queued' AND lane_tag IS NOT NULL"
        return int(self._site.demo.rows(query)[0]["n"])
