"""A site whose models share one lane at a provider that keeps its limits, and people who ask through real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlsplit

import redis

from chat.prompts import DEFAULT_SYSTEM
from chatsite.demo import commands
from chatsite.demo.folder import DataFolder
from streaming import keys
from streaming.states import LIVE
from streaming.tokens import estimate_tokens
from tests.acceptance.chat_client import ChatClient, Frame
from tests.acceptance.fair_shares import Row
from tests.acceptance.lost_time import Asked, held_up, lost_s
from tests.acceptance.rig import BASE_DIR, Demo, until
from tests.acceptance.simulator_process import SimulatorProcess
from tests.acceptance.wait_record import WaitRecord
from tests.simulator import Allowance
from tests.simulator.limits import CACHED_TOKENS
from tests.simulator.script import parse
from tests.simulator.text import text_of

LANE = "vendor"
#: A socket may send 20 commands at once, and a question takes two: one to ask, one to watch. A person may have ten.
QUESTIONS_PER_SOCKET = 10
PULSE_S, PULSES = 0.1, 10


def question(person: int, number: int) -> str:
    """All are of one length, so that all requests are of one size."""
    return f"Person {person:05} asks {number:03}."


def script_of_known_size(script: str) -> str:
    """The provider counts as many tokens of such a question as the site foresees (three of them from its cache, which
    do not count), so that nobody's turn depends on how well that was guessed."""
    foreseen = estimate_tokens(DEFAULT_SYSTEM) + estimate_tokens(question(0, 0))
    return f"{script},input={foreseen + CACHED_TOKENS}"


class Pulse:
    """Since when this process may have let frames lie unread: about a second, or as long as it stood still."""

    def __init__(self) -> None:
        self._beats = deque([time.monotonic()], maxlen=PULSES)

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(PULSE_S)
            self._beats.append(time.monotonic())

    @property
    def since(self) -> float:
        return self._beats[0]


class Waiter(ChatClient):
    """A client that writes down what it is told of its waits."""

    def __init__(self, pulse: Pulse, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._pulse = pulse
        self.waits: dict[str, WaitRecord] = {}

    def _stream_frame(self, frame: Frame) -> None:
        record = self.waits.setdefault(frame["generation"], WaitRecord())
        if frame["type"] == "stream.queued":
            record.hear(frame, time.monotonic(), self._pulse.since)
        elif frame["type"] == "stream.started":
            record.start(time.monotonic())
        super()._stream_frame(frame)


@dataclass
class Person:
    """One question per conversation; a few sockets, for each may ask only so much."""

    site: LaneSite
    id: int
    name: str
    cookie: str
    conversations: list[str]
    sockets: list[Waiter] = field(default_factory=list)
    #: In the order of asking.
    generations: list[str] = field(default_factory=list)

    async def ask(self, model: str) -> str:
        number = len(self.generations)
        if number % QUESTIONS_PER_SOCKET == 0:
            demo = self.site.demo
            self.sockets.append(Waiter(self.site.pulse, demo.socket_url, cookie=self.cookie, origin=demo.origin))
            await self.sockets[-1].connect()
        text = question(self.id, number)
        generation = await self.sockets[-1].ask(self.conversations[number], text, model=model)
        self.generations.append(generation)
        self.site.questions[text] = generation
        await self.sockets[-1].subscribe(generation)
        return generation

    async def started(self, generation: str, timeout_s: float) -> float:
        """Waits for its start; returns the seconds since it was asked."""
        client = self._client(generation)
        asked_at = time.monotonic()
        await client.until(lambda: client.view(generation).position.attempt > 0, "its start", timeout_s)
        return time.monotonic() - asked_at

    async def ended(self, generation: str, timeout_s: float) -> None:
        await self._client(generation).ended(generation, timeout_s)

    def _client(self, generation: str) -> Waiter:
        return next(client for client in self.sockets if generation in client.streams)

    def wait_of(self, generation: str) -> WaitRecord:
        return next(client.waits[generation] for client in self.sockets if generation in client.waits)

    async def leave(self) -> None:
        for client in self.sockets:
            await client.close()


class LaneSite:
    """`models`: alias to the simulator's script. `limits`: keyword arguments of LaneLimits, what the site believes;
    `allowed`: what the provider really allows. `streaming` replaces settings of the engine."""

    def __init__(
        self, models: dict[str, str], *, provider: str, limits: dict[str, Any], allowed: Allowance,
        streaming: dict[str, Any], workers: int = 1,
    ) -> None:  # fmt: skip
        self._models = {alias: script_of_known_size(script) for alias, script in models.items()}
        self._provider, self._limits = provider, limits
        self._streaming, self._workers = streaming, workers
        self.simulator = SimulatorProcess(",".join(f"{name}={value:g}" for name, value in asdict(allowed).items()))
        self.people: list[Person] = []
        self.questions: dict[str, str] = {}
        self._stack = contextlib.ExitStack()
        self.pulse = Pulse()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.simulator)
            site = {"models": [self._entry(*pair) for pair in self._models.items()], "streaming": self._streaming}
            self._env = {"DJANGO_SETTINGS_MODULE": "tests.bench.site_settings", "BENCH_SITE": json.dumps(site)}
            self.demo = stack.enter_context(Demo(workers=self._workers, env=self._env))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _entry(self, alias: str, script: str) -> dict[str, Any]:
        address = self.simulator.url if self._provider == "anthropic" else f"{self.simulator.url}/v1"
        return {"alias": alias, "label": alias, "provider": self._provider, "model": script, "base_url": address,
                "api_key": "for-tests", "lane": LANE, "limits": self._limits,
                "max_tokens": parse(script).tokens}  # fmt: skip

    # People

    def invite(self, people: int, conversations: int) -> list[Person]:
        """New people, each with so many conversations."""
        folder, port = DataFolder(self.demo.data), urlsplit(self.demo.url).port
        assert port is not None
        env = commands.environment(folder, commands.ValkeyAddress(folder), port) | self._env
        words = [sys.executable, "-m", "tests.acceptance.lane_people", str(people), str(conversations)]
        made = subprocess.run(words, cwd=BASE_DIR, env={**os.environ, **env}, check=True, capture_output=True)
        invited = [Person(self, **who) for who in json.loads(made.stdout)]
        self.people += invited
        return invited

    async def __aenter__(self) -> Self:
        self._beating = asyncio.create_task(self.pulse.beat())
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self._beating.cancel()
        for person in self.people:
            await person.leave()
        self.__exit__()

    # What happened

    def rows(self) -> dict[str, Row]:
        found = self.demo.rows(
            "SELECT id, user_id, model, status, text, attempt, admission, lane_cost, requested_at, admitted_at"
            " FROM streaming_generation"
        )
        rows = [
            Row(
                *list(row.values())[:8],
                datetime.fromisoformat(row["requested_at"]),
                datetime.fromisoformat(row["admitted_at"]) if row["admitted_at"] else None,
            )
            for row in found
        ]
        return {row.id: row for row in rows}

    def rows_of(self, people: Sequence[Person], since: int = 0) -> list[Row]:
        """Those of these people's questions from number `since` on."""
        rows = self.rows()
        return [rows[generation.replace("-", "")] for person in people for generation in person.generations[since:]]

    def whole_text(self, alias: str) -> str:
        """What a model says in answer to everything."""
        return text_of(self._models[alias])

    def waits(self) -> list[WaitRecord]:
        return [record for person in self.people for client in person.sockets for record in client.waits.values()]

    def waits_of(self, people: Sequence[Person], since: int = 0) -> list[WaitRecord]:
        """Of these people's questions from number `since` on, as the machine let them be: when each was really asked,
        by the provider's clock, and what was lost of its wait."""
        asked, offset = self._asked(), time.time() - time.monotonic()
        mine = [(person, generation) for person in people for generation in person.generations[since:]]
        pace_s = 60 / self._limits["requests_per_minute"]
        pauses = held_up((asked[generation] for _, generation in mine), self._limits["concurrency"], pace_s)
        records = []
        for person, generation in mine:
            record = person.wait_of(generation)
            if record.is_scored:
                assert record.started_at is not None
                record.started_at = min(record.started_at, asked[generation].at - offset)
                record.lost_s = lost_s(pauses, record.told[0].at + offset, record.started_at + offset)
            records.append(record)
        return records

    def _asked(self) -> dict[str, Asked]:
        """Each generation's newest request, in time.time()."""
        return {
            self._generation_of(exchange): Asked(exchange["received_at"], exchange["ended_at"] or time.time())
            for exchange in self.simulator.log()
        }

    def live(self) -> int:
        return sum(row.status in LIVE for row in self.rows().values())

    async def until(self, holds: Callable[[], Any], what: str, timeout_s: float) -> Any:
        """Polls beside the sockets, which must be read meanwhile."""
        return await asyncio.to_thread(until, holds, what, timeout_s)

    async def all_ended(self, timeout_s: float) -> None:
        await self.until(lambda: not self.live(), "the end of all answers", timeout_s)

    def calls(self) -> Counter[str]:
        """How often the provider was asked for each generation."""
        return Counter(map(self._generation_of, self.simulator.log()))

    def _generation_of(self, exchange: dict[str, Any]) -> str:
        turns = exchange["body"]["messages"]
        return self.questions[next(turn["content"] for turn in turns if turn["role"] == "user")]

    def attempts(self) -> dict[str, list[str]]:
        """The outcomes of each generation's attempts, in their order."""
        found: dict[str, list[str]] = {}
        for row in self.demo.rows(
            "SELECT generation_id, outcome FROM streaming_attempt ORDER BY generation_id, number"
        ):
            found.setdefault(row["generation_id"], []).append(row["outcome"])
        return found

    # Orders

    @contextlib.asynccontextmanager
    async def at_rest(self) -> AsyncIterator[None]:
        """Nobody starts before the end of the block: all who ask in it wait at the same time, however long it takes."""
        await self._order("pause")
        yield
        await self._order("")

    async def _order(self, held: str) -> None:
        """As an administrator's, by the row; the pacer brings it into force."""
        self.demo.database.change("UPDATE streaming_lane SET held = ?", held)
        await self.until(lambda: self._held() == held, "the order to the lane", 90)

    def _held(self) -> str:
        with redis.Redis.from_url(self.demo.redis_url) as client:
            return (client.hget(f"lane:{{{LANE}}}:state", "held") or b"").decode()

    def hurry(self, alias: str) -> None:
        """What this model still has to say comes at once."""
        self.simulator.hurry(self._models[alias])

    # Faults

    async def kill_worker(self, worker_id: str) -> None:
        """Ends the worker process of this id (host:pid:…) at once, and waits until it is there again."""
        pid = int(worker_id.split(":")[1])
        name = next(name for name, known in self.demo.pids().items() if known == pid)
        self.demo.kill(name)
        await asyncio.to_thread(self.demo.wait_restarted, name, pid)

    def streaming(self) -> dict[str, str]:
        """The answers that have text and go on just now, and the worker of each."""
        found = self.demo.rows("SELECT id, worker FROM streaming_generation WHERE status = 'streaming'")
        return {str(row["id"]): str(row["worker"]) for row in found}

    def pacers_holder(self) -> str:
        """The id of the worker that keeps the lanes."""
        with redis.Redis.from_url(self.demo.redis_url) as client:
            return str(until(lambda: client.get(keys.PACER_LEADER), "a pacer").decode())

    def children_of(self, worker_id: str) -> list[int]:
        """The processes that a worker process has started."""
        found = subprocess.run(["pgrep", "-P", worker_id.split(":")[1]], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]

    async def kill_valkey_with_its_memory(self) -> None:
        """What it holds open is written to files that have no name any more."""
        shutil.rmtree(self.demo.data / "valkey" / "appendonlydir")
        killed = self.demo.kill("valkey")
        await asyncio.to_thread(self.demo.wait_restarted, "valkey", killed)
