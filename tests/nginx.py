"""A private nginx for tests, where Debian's package is installed; ended by its own process id."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.rig import BASE_DIR, until

OUR_FILE = BASE_DIR / "chatsite" / "ops" / "nginx.conf"
#: All of it as the package's own file has it, but for where things lie; compression of everything, to be strict.
MAIN = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    gzip on;
    gzip_types *;
    {temporary}
    {servers}
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx_path() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None and os.environ.get("CHATSITE_REQUIRE_ALL") == "1":
        pytest.fail("nginx is not installed (CHATSITE_REQUIRE_ALL=1)", pytrace=False)
    return found or pytest.skip("nginx is not installed")


def our_server(listen: int, *, resolver: int | None = None, web: int = 0, valid_s: int = 1) -> str:
    """The checked-in file, for this machine. Without `resolver` only ports change; the web process is on loopback."""
    text = OUR_FILE.read_text().replace("listen 80 ", f"listen 127.0.0.1:{listen} ")
    if resolver is None:
        return text.replace("http://web:8000", f"http://127.0.0.1:{web}")
    named = text.replace("resolver 127.0.0.11 valid=5s", f"resolver 127.0.0.1:{resolver} valid={valid_s}s")
    return named.replace("http://web:8000", f"http://web:{web}")


class Nginx:
    """`with Nginx(folder, server_blocks, port):` serves when the block begins."""

    def __init__(self, folder: Path, servers: str, port: int) -> None:
        self.program, self.folder, self.port = nginx_path(), folder, port
        paths = " ".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
        self.file = folder / "nginx.conf"
        self.file.write_text(MAIN.format(folder=folder, temporary=paths, servers=servers))

    def __enter__(self) -> Nginx:
        words = [self.program, "-p", str(self.folder), "-c", str(self.file)]
        with (self.folder / "output.log").open("wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        until(lambda: self._answers() or self.process.poll() is not None, "nginx", 150)
        assert self.process.poll() is None, self.log
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.wait(90)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def log(self) -> str:
        return (self.folder / "output.log").read_text()
