"""A running demo for tests: real web, worker and Valkey processes under `manage.py demo`, in a folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import redis

from tests.acceptance.chat_client import ChatClient
from tests.acceptance.demo_database import DemoDatabase, PostgresDatabase, Row, SqliteFile
from tests.acceptance.first_run import lay_out
from tests.acceptance.session import Session

BASE_DIR = Path(__file__).resolve().parent.parent.parent
READY_S = 240.0


def until(holds: Callable[[], Any], what: str, timeout_s: float = 150.0) -> Any:
    """Polls for something that only another process can bring about; returns the first true answer."""
    deadline, pause = time.monotonic() + timeout_s, threading.Event()
    while not (answer := holds()):
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s:g} s"
        pause.wait(0.02)
    return answer


def is_alive(pid: int) -> bool:
    """Whether a process exists and is more than a name waiting for its parent."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False
    try:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    except OSError:
        return False
    return bool(state) and not state.startswith("Z")


def _sockets(pid: int) -> int:
    """How many it has open; 0 where there is no /proc."""
    links = 0
    for file in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):  # closed meanwhile
            links += os.readlink(file).startswith("socket:")
    return links


def _notice_signals() -> None:
    """As from a terminal, even if the tests themselves were started to outlive theirs (nohup), or in the background of
    a script, which ignores Ctrl-C for them."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Demo:
    """`with Demo(web=2, env={"DEMO_TOKENS_PER_SECOND": "200"}) as demo:` is ready when the block begins.

    Nothing of the tests' own environment passes to it but `env`, the path and the home folder. `postgres`: the address
    of a database to be used instead of SQLite. `is_first`: it finds nothing in its folder; any other, what a first one
    left there.
    """

    def __init__(
        self, *, workers: int = 1, web: int = 1, data: Path | None = None, env: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (), port: int = 0, postgres: str = "", is_first: bool = False,
    ) -> None:  # fmt: skip
        self.own_folder = None if data else Path(tempfile.mkdtemp(prefix="demo-"))
        self.data = data or (self.own_folder or Path()) / "data"
        flags = {"--port": port, "--data": self.data, "--workers": workers, "--web": web}
        self.words = [*(str(word) for flag in flags.items() for word in flag), *arguments]
        # A title is a second request with the question in it: only where it is the story.
        self.env = {"TITLE_MODEL": "off"} | dict(env or {}) | ({"DEMO_DATABASE_URL": postgres} if postgres else {})
        sqlite_file = self.data / "chatsite.sqlite3"
        self.database: DemoDatabase = PostgresDatabase(postgres) if postgres else SqliteFile(sqlite_file)
        self.is_first = is_first
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self.reader = threading.Thread()
        self._cookies: dict[str, str] = {}
        #: From the start until it was ready.
        self.seconds = 0.0

    # Life

    def start(self) -> Demo:
        """Also again, after an end of any kind."""
        if self.process is not None:
            self.process.wait(READY_S)
            self.reader.join(READY_S)
        elif not self.is_first:
            lay_out(self.data)
        self.lines.clear()
        self.started = time.monotonic()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, str(BASE_DIR / "manage.py"), "demo", *self.words],
            env={**kept, **self.env}, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_notice_signals,
        )  # fmt: skip
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            self.lines.extend(line.rstrip("\n") for line in iter(process.stdout.readline, ""))

    def wait_ready(self, timeout_s: float = READY_S) -> Demo:
        until(lambda: self.said("ready: ") or self.exit_code is not None, "ready", timeout_s)
        assert self.exit_code is None, "\n".join(self.lines)
        self.seconds = time.monotonic() - self.started
        return self

    def stop(self, timeout_s: float = 150.0) -> int:
        """Asks it to end, and returns its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout_s)
        self.reader.join(timeout_s)
        return code

    def __enter__(self) -> Demo:
        try:
            return self.start().wait_ready()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        try:
            self.stop()
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
            if self.own_folder is not None:
                shutil.rmtree(self.own_folder, ignore_errors=True)

    @property
    def exit_code(self) -> int | None:
        return self.process.poll() if self.process is not None else None

    def said(self, start: str) -> bool:
        return any(line.startswith(start) for line in list(self.lines))

    # Processes

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.data / "processes.json").read_text())
        return state

    def pid(self, name: str) -> int:
        """The process called `valkey`, `web 1`, `worker 2`, …; `supervisor` and `guard` too."""
        state = self.state
        pid: int | None = state["processes"][name]["pid"] if name in state["processes"] else state[name]
        assert pid is not None, f"{name} is not running"
        return pid

    def pids(self) -> dict[str, int]:
        state = self.state
        running = {name: child["pid"] for name, child in state["processes"].items() if child["pid"]}
        return {**running, "supervisor": state["supervisor"], "guard": state["guard"]}

    def signal(self, name: str, number: signal.Signals) -> int:
        """SIGKILL: a crash; SIGSTOP and SIGCONT: a pause; SIGTERM: a shutdown, after which it is started again."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def signal_pid(self, pid: int, number: signal.Signals) -> None:
        """To a process of ours that may be gone by now."""
        if pid in self.pids().values():
            os.kill(pid, number)

    def kill(self, name: str) -> int:
        return self.signal(name, signal.SIGKILL)

    def wait_restarted(self, name: str, killed: int, timeout_s: float = 200.0) -> int:
        """Waits until `name` runs and can serve again; returns its new process id."""

        def restarted() -> bool:
            return self.state["processes"][name]["pid"] != killed and self._serves(name)

        until(restarted, f"the restart of {name}", timeout_s)
        return self.pid(name)

    async def back(self, name: str, killed: int) -> int:
        """As `wait_restarted`, beside sockets that must be read meanwhile."""
        return await asyncio.to_thread(self.wait_restarted, name, killed)

    def _serves(self, name: str) -> bool:
        if not self.state["processes"][name]["pid"]:
            return False
        if name != "valkey":
            return (self.data / "run" / f"{name.replace(' ', '-')}.ready").exists()
        with redis.Redis.from_url(self.redis_url, socket_timeout=60) as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    @property
    def is_whole(self) -> bool:
        """Every process is there and can serve; one that died a moment ago is still in the list."""
        return all(self._serves(name) and is_alive(one["pid"]) for name, one in self.state["processes"].items())

    def busiest_web(self) -> str:
        """The web process with the most connections: of several, the kernel may give one all or none of them."""
        webs = sorted(name for name in self.pids() if name.startswith("web "))
        return max(webs, key=lambda name: _sockets(self.pid(name)))

    # The site

    @property
    def url(self) -> str:
        """With a slash at the end."""
        return str(self.state["url"])

    @property
    def origin(self) -> str:
        return self.url.rstrip("/")

    @property
    def socket_url(self) -> str:
        return self.origin.replace("http", "ws", 1) + "/ws/v1/"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.data / 'valkey' / 'valkey.sock'}"

    def passwords(self) -> dict[str, str]:
        passwords: dict[str, str] = json.loads((self.data / "passwords.json").read_text())
        return passwords

    def session(self, name: str) -> Session:
        """`name`, logged in through the form."""
        return Session(self.origin).login(name, self.passwords()[name])

    def login(self, name: str) -> str:
        """The `Cookie` header of a new session."""
        return self.session(name).cookie

    def client(self, name: str = "ann", **options: Any) -> ChatClient:
        """A client that is logged in as `name`, as all tabs of one browser are; `async with` connects it."""
        if name not in self._cookies:
            self._cookies[name] = self.login(name)
        return ChatClient(self.socket_url, cookie=self._cookies[name], origin=self.origin, **options)

    def manage(self, *words: str) -> str:
        """What a command of manage.py prints, with the demo's database."""
        address = self.env.get("DEMO_DATABASE_URL") or f"sqlite:///{self.data / 'chatsite.sqlite3'}"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        run = subprocess.run(
            [sys.executable, str(BASE_DIR / "manage.py"), *words], env={**kept, **self.env, "DATABASE_URL": address},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    def rows(self, query: str, *values: Any) -> list[Row]:
        """Reads the demo's database from outside."""
        return self.database.rows(query, *values)

    def shared_conversation(self) -> str:
        """The id of the conversation that ann and bob share from the first run on."""
        found = self.rows("SELECT id FROM chat_conversation ORDER BY created_at LIMIT 1")[0]["id"]
        return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"

    def row_text(self, generation: str) -> str:
        rows = self.rows("SELECT text FROM streaming_generation WHERE id = ?", generation.replace("-", ""))
        return str(rows[0]["text"])
