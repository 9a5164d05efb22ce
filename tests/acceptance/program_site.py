"""One running demo for all tests of programs that talk to it: keys, models that wait and models that do not."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import redis
from openai import OpenAI

from chatsite.client.site import Site as Api
from streaming import keys
from tests.acceptance.rig import Demo, until
from tests.acceptance.simulator_process import SimulatorProcess

TIMEOUT_S: Final = 150.0
#: How long a question waits at least, of those that shall.
WAIT_S: Final = 10.0 if os.environ.get("CHATSITE_FULL") == "1" else 1.0
#: Tokens a second of what shall not end while it is looked at.
CREEP: Final = 0.001
TOKENS: Final = 40
#: Each has a lane of its own, for one answer at a time.
WAITING: Final = {
    name: f"sim-tokens={TOKENS}+seed={number}"
    for number, name in enumerate(("openai", "openai-async", "llm", "pydantic-ai", "raw", "command"))
}
#: Models of a provider without limits.
TOO_LONG: Final = "sim-fault=context"
BROKEN: Final = "sim-tokens=40+fault=error+at=20+rate=200"
LONG: Final = "sim-tokens=8000+rate=10"
#: All kinds of signs, for minutes: told to go faster once their reader has begun.
STORY: Final = "sim-tokens=500+rate=4+unicode=1"
LEFT: Final = "sim-tokens=2000+rate=20+unicode=1+seed=8"
#: Each token says when it was sent; the first leaves time to subscribe, the second does not come.
HELD: Final = f"sim-tokens=2+first=0.7+rate={CREEP}+stamp=1"

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
    def occupied(self, model: str, told: threading.Event | None = None) -> Iterator[None]:
        """An answer holds the model's lane until the next question, from inside the block, has waited: however long its
        program takes to start, and if need be until `told` is set. The answer is ann's, and nobody reads it."""
        self.simulator.pace(model, CREEP)
        api, over = Api(self.demo.origin, self.key), threading.Event()
        holder = api.send(api.post("/conversations")["id"], "First", model)["stream_id"]
        until(lambda: self.status(holder) == "streaming", "the answer that holds the lane")
        with ThreadPoolExecutor(1) as pool:
            freed = pool.submit(self._free, model, over, told or over)
            try:
                yield
            finally:
                over.set()
                (told or over).set()
                freed.result()

    def _free(self, model: str, over: threading.Event, told: threading.Event) -> None:
        """Once a question waits, and has for a while or `told` is set."""
        query = "SELECT 1 FROM streaming_generation WHERE model = ? AND status = 'queued'"
        while not over.wait(0.1) and not self.demo.rows(query, model):
            pass
        told.wait(WAIT_S if told is over else TIMEOUT_S)
        self.simulator.pace(model, None)

    def waited_s(self, model: str) -> float:
        """How long the newest question to a model was in line."""
        query = "SELECT requested_at, admitted_at FROM streaming_generation WHERE model = ? ORDER BY requested_at DESC"
        asked, admitted = (datetime.fromisoformat(value) for value in self.demo.rows(query, model)[0].values())
        return (admitted - asked).total_seconds()

    def spend(self, key: str) -> None:
        """As if it had asked for minutes more than it may. A slow machine could never ask so fast."""
        number = self.demo.rows("SELECT id FROM api_apikey WHERE prefix = substr(?, 1, length(prefix))", key)[0]["id"]
        with redis.Redis.from_url(self.demo.redis_url) as client:
            paid_back_us = (client.time()[0] + 600) * 1_000_000
            client.set(keys.request_rate(f"api-key:{number}"), paid_back_us, ex=600)

    def generations(self) -> int:
        return int(self.demo.rows("SELECT count(*) AS number FROM streaming_generation")[0]["number"])

    def status(self, generation: str) -> str:
        query = "SELECT status FROM streaming_generation WHERE id = ?"
        return str(self.demo.rows(query, generation.replace("-", ""))[0]["status"])


def environment(simulator: SimulatorProcess) -> dict[str, str]:
    return {
        **simulator.env(openai=list(WAITING.values()), anthropic=[TOO_LONG, BROKEN, LONG, STORY, LEFT, HELD]),
        "OPENAI_LIMITS": "concurrency=1",
        "DEMO_TOKENS_PER_SECOND": "200",
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.program_settings",
    }


def site_of(demo: Demo, simulator: SimulatorProcess, folder: Path) -> Site:
    key, other, revoked, *more = demo.manage("shell", "--no-imports", "-c", _KEYS).split()
    return Site(demo, simulator, key, other, revoked, (more[0], more[1]), folder)
