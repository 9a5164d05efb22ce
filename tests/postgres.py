"""A private PostgreSQL cluster for tests, where Debian's server is installed; ended by its own process id."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from tests.free_port import free_port


def programs() -> Path | None:
    """The newest installed server's folder of programs."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    return folders[-1] if folders else None


class Postgres:
    def __init__(self, bin_folder: Path) -> None:
        self.bin = bin_folder
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"postgres://chat@127.0.0.1:{self.port}/chat"

    def start(self) -> None:
        os.chmod(self.folder, 0o755)
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        if os.getuid() == 0:
            shutil.chown(data, "postgres", "postgres")
        words = ["initdb", "-D", data, "-U", "chat", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        self._run(words)
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories= -c fsync=off"
        self._run(["pg_ctl", "-D", data, "-w", "-t", "200", "-l", data / "log", "-o", options, "start"])
        self.create("chat")

    def create(self, name: str, template: str = "template1") -> str:
        """Another database, empty or a copy; returns its address."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="chat", dbname="postgres", autocommit=True
        ) as server:
            server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url.removesuffix("chat") + name

    def stop(self) -> None:
        pid_file = self.folder / "data" / "postmaster.pid"
        if pid_file.exists():
            self._run(["pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "-t", "200", "stop"])
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, words: list[Any]) -> None:
        """PostgreSQL refuses to run as root."""
        person: dict[str, Any] = (
            {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        )
        ended = subprocess.run(
            [self.bin / words[0], *words[1:]], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=250, **person,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout
