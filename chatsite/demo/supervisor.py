"""The supervisor: starts the processes in order, says when they answer, keeps them alive, and ends them all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from typing import Any

from redis.asyncio import Redis

from chatsite.demo import commands, probes
from chatsite.demo.child import Child, ChildPlan
from chatsite.demo.folder import DataFolder
from chatsite.demo.options import DemoError, DemoOptions, listen
from chatsite.demo.process_group import ProcessGroup

#: 6 to 8 s are usual; a machine that does much else meanwhile has needed more than 60.
READY_TIMEOUT_S = 180.0
#: Running answers are handed back by then; a second Ctrl-C does not wait.
STOP_GRACE_S = 10.0


class Supervisor:
    def __init__(self, options: DemoOptions) -> None:
        self.options = options
        self.folder = DataFolder(options.data)
        self.children: dict[str, Child] = {}
        self.keepers: set[asyncio.Task[None]] = set()
        self.group: ProcessGroup | None = None
        self.url = ""
        self.ready = False

    async def run(self) -> None:
        """Returns after a signal asked for the end; raises DemoError for whatever people can mend."""
        self.options.check()
        self.folder.open()
        signals = _signals()
        with contextlib.closing(listen(self.options.host, self.options.port)) as listener:
            try:
                await self._until_signal(signals, self._serve(listener))
            finally:
                await self._stop(signals)

    async def _until_signal(self, signals: asyncio.Queue[int], work: Coroutine[Any, Any, None]) -> None:
        serving, signalled = asyncio.create_task(work), asyncio.create_task(signals.get())
        await asyncio.wait({serving, signalled}, return_when=asyncio.FIRST_COMPLETED)
        signalled.cancel()
        if not serving.done():
            say("stopping")
            serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    async def _serve(self, listener: socket.socket) -> None:
        started = time.monotonic()
        port = listener.getsockname()[1]
        self.url = f"http://{'[::1]' if ':' in self.options.host else '127.0.0.1'}:{port}/"
        self.group = await ProcessGroup.open(self.folder.lock_descriptor)
        self.keepers.add(asyncio.create_task(self.group.watch()))
        valkey = commands.ValkeyAddress(self.folder)
        env = commands.environment(self.folder, valkey, port)
        self.folder.write_environment({name: env[name] for name in commands.SHARED})
        self._keep("valkey", commands.valkey_words(valkey.write_configuration()), env)
        await self._first(self._prepare(env))
        await self._first(self._valkey_answers(valkey))
        for number in range(1, self.options.web + 1):
            self._keep(f"web {number}", commands.web_words(listener.fileno()), env, listener.fileno())
        for number in range(1, self.options.workers + 1):
            self._keep(f"worker {number}", commands.worker_words(number, self.options.concurrency), env)
        await self._first(probes.until(self._all_answer, self._missing, READY_TIMEOUT_S))
        self._say_ready(time.monotonic() - started)
        await self._first(asyncio.Event().wait())

    def _keep(self, name: str, words: list[str], env: dict[str, str], *descriptors: int) -> None:
        self.keepers.add(asyncio.create_task(self._child(name, words, env, descriptors).keep()))

    def _child(self, name: str, words: list[str], env: dict[str, str], descriptors: tuple[int, ...] = ()) -> Child:
        assert self.group is not None
        says_ready = name.startswith(("web", "worker"))
        ready_file = self.folder.run / f"{name.replace(' ', '-')}.ready" if says_ready else None
        hidden = commands.VALKEY_ADVICE if name == "valkey" else None
        plan = ChildPlan(name, words, env, commands.BASE_DIR, ready_file, descriptors, hidden)
        child = self.children[name] = Child(plan, self.group.id, show, self._write_state)
        return child

    async def _prepare(self, env: dict[str, str]) -> None:
        """Migrations and people, in a process of their own: this one read its settings before they were known."""
        child = self._child("prepare", commands.prepare_words(self.folder), env)
        if await child.run_once() != 0:
            raise DemoError(f"The database {self.folder.database} could not be prepared. {child.words()}")
        del self.children["prepare"]

    async def _first(self, work: Coroutine[Any, Any, Any]) -> None:
        """Awaits `work`; a child that gives up in the meantime ends the demo."""
        task = asyncio.create_task(work)
        try:
            done, _ = await asyncio.wait({task, *self.keepers}, return_when=asyncio.FIRST_COMPLETED)
            for finished in done:
                finished.result()
        finally:
            task.cancel()

    async def _valkey_answers(self, valkey: commands.ValkeyAddress) -> None:
        async with Redis.from_url(valkey.url, socket_timeout=1) as client:
            await probes.until(lambda: probes.valkey_answers(client), lambda: "Valkey", READY_TIMEOUT_S)

    async def _all_answer(self) -> bool:
        return not self._starting() and await probes.page_answers(self.url)

    def _starting(self) -> list[str]:
        return [name for name, child in self.children.items() if not child.is_ready]

    def _missing(self) -> str:
        return ", ".join(self._starting()) or "The first page"

    def _say_ready(self, seconds: float) -> None:
        for name, password in self.folder.passwords().items():
            say(f"{name:<7}{password}" + (f"   {self.url}admin/" if name == "admin" else ""))
        say(f"data   {self.folder.path}")
        say(f"Started in {seconds:.1f} s. Ctrl-C stops everything.")
        say(f"ready: {self.url}")
        self.ready = True
        self._write_state()

    def _write_state(self) -> None:
        """Who is who, for people and for tests."""
        processes = {name: {"pid": child.pid, "starts": child.starts} for name, child in self.children.items()}
        state = {"url": self.url, "ready": self.ready, "supervisor": os.getpid(), "processes": processes}
        with contextlib.suppress(OSError):  # somebody removed the folder: not a reason to end what runs
            self.folder.write_processes(state | {"guard": self.group.id if self.group else None})

    async def _stop(self, signals: asyncio.Queue[int]) -> None:
        for keeper in self.keepers:
            keeper.cancel()
        await asyncio.gather(*self.keepers, return_exceptions=True)
        ending, impatient = asyncio.create_task(self._stop_children()), asyncio.create_task(signals.get())
        await asyncio.wait({ending, impatient}, return_when=asyncio.FIRST_COMPLETED)
        impatient.cancel()
        if not ending.done():
            ending.cancel()
        if self.group is not None:
            await self.group.close()
        await asyncio.gather(*(child.gone() for child in self.children.values()))
        self.folder.processes.unlink(missing_ok=True)

    async def _stop_children(self) -> None:
        """Valkey last: the workers hand their streams back through it."""
        others = [child for name, child in self.children.items() if name != "valkey"]
        await asyncio.gather(*(child.stop(STOP_GRACE_S) for child in others))
        await asyncio.gather(*(child.stop(STOP_GRACE_S) for child in self.children.values()))


def _signals() -> asyncio.Queue[int]:
    """Requests to end. A hangup that was ignored before (nohup) stays ignored."""
    queue: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, queue.put_nowait, number)
    return queue


def say(line: str) -> None:
    """A terminal that is gone is no reason to leave the processes alone."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


def show(name: str, line: str) -> None:
    """One line of one process."""
    with contextlib.suppress(OSError):
        print(f"{name:<9}| {line}", file=sys.stderr, flush=True)
