"""The running platform for one benchmark: `manage.py demo`, the simulator as the vendor, people with sessions."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from chatsite.demo import commands
from chatsite.demo.folder import DataFolder
from tests.acceptance.rig import Demo
from tests.bench import crowd
from tests.bench.machine import CpuClock, NotMeasured
from tests.bench.processes import BASE_DIR, Helper

SOCKET_PATH = "/ws/v1/"
SIMULATOR_START_S = 20.0


class SimulatorProcess:
    """`python -m tests.simulator`: the vendor. Its processor time is nobody's fault and reported apart."""

    def __enter__(self) -> Self:
        words = [sys.executable, "-m", "tests.simulator", "--port", "0"]
        self._process = subprocess.Popen(words, cwd=BASE_DIR, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("ready: "):
            raise NotMeasured("the simulator did not start")
        self.base_url = line.removeprefix("ready: ").strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def openai_url(self) -> str:
        return f"{self.base_url}/v1"

    def exchanges(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.base_url}/log", timeout=60) as answer:
            log: list[dict[str, Any]] = json.load(answer)
        return log

    def forget(self) -> None:
        request = urllib.request.Request(f"{self.base_url}/log", method="DELETE")
        urllib.request.urlopen(request, timeout=60).close()


@dataclass(slots=True)
class People:
    ids: list[int]
    cookies: list[str]
    #: Per person; several may share one.
    conversations: list[str]

    def sockets(self) -> list[list[str]]:
        return [[SOCKET_PATH, cookie] for cookie in self.cookies]


class Site:
    """`models`: alias to the simulator's script. `streaming` replaces settings of the engine."""

    #: So many people wait in a lane of their own beside whatever is measured (`manage.py bench --waiting`).
    waiting: ClassVar[int] = 0

    def __init__(
        self,
        models: Mapping[str, str] | None = None,
        *,
        streaming: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._models = dict(models or {"sim": "sim-"})
        self._streaming = dict(streaming or {})
        self._env = dict(env or {})
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.simulator = stack.enter_context(SimulatorProcess())
            models = [self._model(*pair) for pair in self._models.items()]
            streaming = dict(self._streaming)
            if self.waiting:
                models.append(crowd.model(self.simulator.openai_url))
                streaming.setdefault("max_wait_s", 1e9)
            site = {"models": models, "streaming": streaming}
            settings = {"DJANGO_SETTINGS_MODULE": "tests.bench.site_settings", "BENCH_SITE": json.dumps(site)}
            self._demo_env = {**settings, **self._env}
            demo = Demo(env=self._demo_env)
            try:
                self.demo = stack.enter_context(demo)
            except AssertionError as error:
                raise NotMeasured(f"the platform did not start: {error}") from None
            self._staff = stack.enter_context(Helper("tests.bench.inside", "seed", env=self.env))
            if self.waiting:
                stack.enter_context(crowd.Crowd(self, self.waiting))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _model(self, alias: str, script: str) -> dict[str, Any]:
        return {"alias": alias, "label": alias, "provider": "openai", "dialect": "chat", "model": script,
                "base_url": self.simulator.openai_url, "api_key": "none"}  # fmt: skip

    @property
    def port(self) -> int:
        port = urlsplit(self.demo.url).port
        assert port is not None
        return port

    @property
    def env(self) -> dict[str, str]:
        """What the site's own processes see, for helpers that work inside it."""
        folder = DataFolder(self.demo.data)
        return commands.environment(folder, commands.ValkeyAddress(folder), self.port) | self._demo_env

    def people(self, count: int, *, shared: bool = False) -> People:
        seeded = self._staff.do("people", within_s=600, count=count, shared=shared)
        return People(seeded["people"], seeded["cookies"], seeded["conversations"])

    def history(self, people: People, messages: int) -> None:
        """So many messages in the first person's conversation."""
        asked = {"person": people.ids[0], "conversation": people.conversations[0], "messages": messages}
        self._staff.do("history", within_s=120, **asked)

    def pids(self) -> dict[str, int]:
        """All processes that are ours: whatever of the load is not in here is not ours."""
        running = self.demo.pids()
        return {"web": running["web 1"], "worker": running["worker 1"], "valkey": running["valkey"],
                "supervisor": running["supervisor"]}  # fmt: skip

    def clock(self, **more: int) -> CpuClock:
        """The worker that keeps the lanes has a process for estimates."""
        return CpuClock({**self.pids(), "simulator": self.simulator.pid, **more}, families=("web", "worker"))

    def settle(self) -> None:
        """Let start-up work (imports, checkpoints, pings) end before a measurement."""
        time.sleep(1.0)
