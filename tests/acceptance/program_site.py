"""One running demo for all tests of programs that talk to it: keys, models that wait and models that do not."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from openai import OpenAI

from chatsite.client.site import Site as Api
from tests.acceptance.rig import Demo
from tests.acceptance.simulator_process import SimulatorProcess

TIMEOUT_S: Final = 60.0
#: Between two answers of one model of `WAITING`: their provider allows so many requests a minute.
WAIT_S: Final = 10.0 if os.environ.get("CHATSITE_FULL") == "1" else 2.0
TOKENS: Final = 40
#: Each has a lane of its own.
WAITING: Final = {
    name: f"sim-tokens={TOKENS}+seed={number}"
    for number, name in enumerate(("openai", "openai-async", "llm", "pydantic-ai", "raw", "command"))
}
#: Models of a provider without limits.
TOO_LONG: Final = "sim-fault=context"
BROKEN: Final = "sim-tokens=40+fault=error+at=20+rate=200"
LONG: Final = "sim-tokens=4000+rate=50"
#: Some seconds of all kinds of signs.
STORY: Final = "sim-tokens=500+rate=150+unicode=1"
HELD_S: Final = 12.0
#: Each token says when it was sent; the first leaves time to subscribe, the second comes long after it.
HELD: Final = f"sim-tokens=2+first=0.7+rate={1 / HELD_S}+stamp=1"

_KEYS = """
from django.contrib.auth import get_user_model
from chat.api import keys, revoking
people = {name: get_user_model().objects.get(username=name) for name in ("ann", "bob")}
made = [keys.create_key(people[name], "tests") for name in ("ann", "bob", "ann", "bob", "bob")]
revoking.revoke_key(made[2].key)
print(*(one.token for one in made))
"""


@dataclass(frozen=True, slots=True)
class Site:
    """`key` is ann's, the others bob's: how much may be asked is counted by key. `folder`: for files of programs."""

    demo: Demo
    simulator: SimulatorProcess
    key: str
    other_key: str
    revoked_key: str
    more_keys: tuple[str, str]
    folder: Path

    @property
    def base_url(self) -> str:
        return f"{self.demo.origin}/v1"

    def openai(self, **options: Any) -> OpenAI:
        ours = {"base_url": self.base_url, "api_key": self.key, "max_retries": 0, "timeout": TIMEOUT_S}
        return OpenAI(**{**ours, **options})

    @contextlib.contextmanager
    def occupied(self, model: str) -> Iterator[None]:
        """Two questions wait in the model's lane until a third comes from inside the block, however long its program
        takes to start: it must wait as well. The two are ann's, nobody reads their answers."""
        first = self._ask_first(model, 3)
        over = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            line = pool.submit(self._keep_waiting, model, first, over)
            try:
                yield
            finally:
                over.set()
                line.result()

    def _keep_waiting(self, model: str, ours: set[str], over: threading.Event) -> None:
        query = "SELECT id FROM streaming_generation WHERE model = ? AND admitted_at IS NULL"
        deadline = time.monotonic() + TIMEOUT_S
        while not over.wait(0.1) and time.monotonic() < deadline:
            waiting = {row["id"] for row in self.demo.rows(query, model)}
            if waiting - ours:
                return
            ours |= self._ask_first(model, 2 - len(waiting))

    def _ask_first(self, model: str, questions: int) -> set[str]:
        api = Api(self.demo.origin, self.key)
        sent = [api.send(api.post("/conversations")["id"], "First", model) for _ in range(questions)]
        return {uuid.UUID(one["stream_id"]).hex for one in sent}

    def waited_s(self, model: str) -> float:
        """How long the newest question to a model was in line."""
        query = "SELECT requested_at, admitted_at FROM streaming_generation WHERE model = ? ORDER BY requested_at DESC"
        asked, admitted = (datetime.fromisoformat(value) for value in self.demo.rows(query, model)[0].values())
        return (admitted - asked).total_seconds()

    def generations(self) -> int:
        return int(self.demo.rows("SELECT count(*) AS number FROM streaming_generation")[0]["number"])

    def status(self, generation: str) -> str:
        query = "SELECT status FROM streaming_generation WHERE id = ?"
        return str(self.demo.rows(query, generation.replace("-", ""))[0]["status"])


def environment(simulator: SimulatorProcess) -> dict[str, str]:
    return {
        **simulator.env(openai=list(WAITING.values()), anthropic=[TOO_LONG, BROKEN, LONG, STORY, HELD]),
        "OPENAI_LIMITS": f"requests_per_minute={60 / WAIT_S:g},burst_s=0.1,pace=1,ramp_start=1",
        "DEMO_TOKENS_PER_SECOND": "200",
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.program_settings",
    }


def site_of(demo: Demo, simulator: SimulatorProcess, folder: Path) -> Site:
    key, other, revoked, *more = demo.manage("shell", "--no-imports", "-c", _KEYS).split()
    return Site(demo, simulator, key, other, revoked, (more[0], more[1]), folder)
