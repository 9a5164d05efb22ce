"""The provider simulator as a process of its own, for tests with real workers."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from typing import Any

from tests.acceptance.rig import BASE_DIR, until


class SimulatorProcess:
    """`with SimulatorProcess() as simulator:` answers; `env()` makes a demo offer models that are its scripts."""

    def __init__(self, limits: str = "") -> None:
        self._hurried: set[str] = set()
        self.command = [sys.executable, "-m", "tests.simulator", "--port", "0", "--limits", limits]

    def __enter__(self) -> SimulatorProcess:
        self.process = subprocess.Popen(self.command, cwd=BASE_DIR, text=True, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready: "), line
        self.url = line.removeprefix("ready: ").strip().rstrip("/")
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.wait(120)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def env(self, *, openai: list[str], anthropic: list[str] | None = None) -> dict[str, str]:
        """Model names hold commas, which separate list items in the environment: a `+` stands for each."""
        return {
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "OPENAI_API_KEY": "for-tests",
            "OPENAI_MODELS": ",".join(openai),
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": "for-tests",
            "ANTHROPIC_MODELS": ",".join(anthropic or []),
        }

    def exchanges(self, model: str) -> list[dict[str, Any]]:
        """What was asked of one model and what came of it, oldest first."""
        return [exchange for exchange in self.log() if exchange["model"] == model]

    def log(self) -> list[dict[str, Any]]:
        log: list[dict[str, Any]] = self._ask("/log")
        return log

    def limits(self, model: str = "*") -> dict[str, Any]:
        """What a group of models was asked, answered and refused, as `Quota.seen` says it."""
        seen: dict[str, dict[str, Any]] = self._ask("/limits")
        return seen[model]

    def pause(self, status: int, seconds: float) -> None:
        """From now on every request is refused with 429 or 529."""
        self._ask("/pause", {"status": status, "seconds": seconds})

    def pace(self, model: str, rate: float | None) -> None:
        """From now on the model's answers, also those that run, come at so many tokens a second; 0: as fast as they
        are read; None: as its name says. So an answer lasts until a test has seen what it wanted, and ends then."""
        self._ask("/pace", {"model": model, "rate": rate})

    def hurry(self, model: str) -> None:
        """What was slow for as long as a test needed comes at once now, until the log is emptied."""
        self._hurried.add(model)
        self.pace(model, 0)

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}{path}", data, timeout=120) as response:
            return json.load(response)

    def forget(self) -> None:
        """Empties the log; models that fail only some times begin anew, and who hurried has the old pace."""
        while self._hurried:
            self.pace(self._hurried.pop(), None)
        request = urllib.request.Request(f"{self.url}/log", method="DELETE")
        urllib.request.urlopen(request, timeout=120).close()

    def wait_closed(self, model: str, timeout_s: float = 150.0) -> dict[str, Any]:
        """The newest exchange of the model, once its client has left."""

        def closed() -> dict[str, Any] | None:
            newest = self.exchanges(model)[-1:]
            return newest[0] if newest and newest[0]["client_closed_at"] else None

        exchange: dict[str, Any] = until(closed, "the end of the provider connection", timeout_s)
        return exchange
