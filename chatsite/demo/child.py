"""One process of the demo: start it, show its lines under its name, start it again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chatsite.demo.options import DemoError

#: A process that dies this often within so few seconds of each start will not do better the next time.
DEATHS_MAX = 5
YOUNG_S = 10.0
BACKOFF_S = (0.1, 0.3, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class ChildPlan:
    name: str
    words: list[str]
    env: dict[str, str]
    folder: Path
    #: The process makes this file when it can serve; None: the supervisor asks it itself.
    ready_file: Path | None = None
    descriptors: tuple[int, ...] = ()
    #: Lines that hold this text are not shown.
    hidden: str | None = None


@dataclass(slots=True)
class Child:
    plan: ChildPlan
    #: The process group that the guard watches.
    group: int
    show: Callable[[str, str], None]
    changed: Callable[[], None]
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    deaths: int = 0
    last_words: deque[str] = field(default_factory=lambda: deque(maxlen=6))

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process and self.process.returncode is None else None

    @property
    def is_ready(self) -> bool:
        return self.pid is not None and (self.plan.ready_file is None or self.plan.ready_file.exists())

    async def keep(self) -> None:
        """Runs it for ever. Raises DemoError when it keeps dying young."""
        while True:
            started = time.monotonic()
            code = await self.run_once()
            self.deaths = self.deaths + 1 if time.monotonic() - started < YOUNG_S else 1
            if self.deaths >= DEATHS_MAX:
                raise DemoError(
                    f"{self.plan.name} died {self.deaths} times in a row ({describe(code)}). {self.words()}"
                )
            delay = BACKOFF_S[self.deaths - 1]
            self.show("demo", f"{self.plan.name} ended ({describe(code)}); it is started again in {delay:g} s")
            await asyncio.sleep(delay)

    async def run_once(self) -> int:
        await self.start()
        return await self.finish()

    async def start(self) -> None:
        plan = self.plan
        if plan.ready_file is not None:
            plan.ready_file.unlink(missing_ok=True)
        env = plan.env | ({"READY_FILE": str(plan.ready_file)} if plan.ready_file else {})
        self.process = await asyncio.create_subprocess_exec(
            *plan.words, env=env, cwd=plan.folder, process_group=self.group, pass_fds=plan.descriptors,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            limit=1 << 20,
        )  # fmt: skip
        self.starts += 1
        self.changed()

    async def finish(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        await self._read_lines(self.process.stdout)
        code = await self.process.wait()
        self.changed()
        return code

    async def _read_lines(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                continue  # a line above the limit: the reader dropped it
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            if text and not (self.plan.hidden and self.plan.hidden in text):
                self.last_words.append(text)
                self.show(self.plan.name, text)

    def words(self) -> str:
        return f"Its last line: {self.last_words[-1]}" if self.last_words else "It said nothing."

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def stop(self, grace_s: float) -> None:
        """Asks it to end, waits, ends it."""
        if self.process is None:
            return
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), grace_s)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self.process.wait()

    async def gone(self) -> None:
        if self.process is not None:
            await self.process.wait()


def describe(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
