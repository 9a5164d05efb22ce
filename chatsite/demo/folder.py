"""The demo's data folder: what is kept between runs, readable only by its owner, used by one demo at a time."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chatsite.demo.options import DemoError

#: After a kill -9 the guard needs this long to end the orphans; it keeps the lock until then.
LOCK_WAIT_S = 8.0
PEOPLE = ("ann", "bob", "admin")
#: No letter that looks like another one.
LETTERS = "abcdefghjkmnpqrstuvwxyz"


class DataFolder:
    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.database = self.path / "chatsite.sqlite3"
        self.valkey = self.path / "valkey"
        self.run = self.path / "run"
        self.processes = self.path / "processes.json"
        self.password_file = self.path / "passwords.json"
        self.environment = self.path / "environment"
        self.lock_descriptor = -1

    def open(self) -> None:
        """Creates what is missing and takes the lock; raises DemoError."""
        try:
            for folder in (self.path, self.valkey, self.run):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.run / "probe"
            probe.touch()
            probe.unlink()
            self.lock_descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            os.umask(0o077)  # the children's files, too, are nobody else's business
        except OSError as error:
            raise DemoError(
                f"The data folder {self.path} cannot be written ({error.strerror}): choose one with --data."
            ) from None
        self._lock()
        self.processes.unlink(missing_ok=True)  # of a run that was killed

    def _lock(self) -> None:
        deadline = time.monotonic() + LOCK_WAIT_S
        while not self._try_lock():
            holder = self._holder()
            if _is_alive(holder) or time.monotonic() > deadline:
                raise DemoError(
                    f"A demo already runs on {self.path} (process {holder}): stop it, or choose another with --data."
                )
            time.sleep(0.05)
        os.truncate(self.lock_descriptor, 0)
        os.pwrite(self.lock_descriptor, str(os.getpid()).encode(), 0)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self.lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> int:
        written = os.pread(self.lock_descriptor, 20, 0)
        return int(written) if written.isdigit() else 0

    def secret_key(self) -> str:
        return self._kept(self.path / "secret_key", lambda: secrets.token_urlsafe(50))

    def passwords(self) -> dict[str, str]:
        passwords: dict[str, str] = json.loads(self._kept(self.password_file, _new_passwords))
        return passwords

    def has_passwords(self) -> bool:
        return self.password_file.exists()

    def _kept(self, file: Path, make: Callable[[], str]) -> str:
        """The content of a private file, made on the first run. A rename makes it whole or absent, never half."""
        if not file.exists():
            self._write(file, make())
        return file.read_text().strip()

    def write_processes(self, state: dict[str, Any]) -> None:
        self._write(self.processes, json.dumps(state, indent=1))

    def write_environment(self, variables: Mapping[str, str]) -> None:
        """For a shell that sources it: its commands of manage.py then mean this demo."""
        lines = (f"export {name}={shlex.quote(value)}" for name, value in variables.items())
        self._write(self.environment, "\n".join(lines))

    def _write(self, file: Path, text: str) -> None:
        fresh = file.with_suffix(".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
            output.write(text + "\n")
        fresh.replace(file)


def _new_passwords() -> str:
    return json.dumps({name: _password() for name in PEOPLE})


def _password() -> str:
    """Twelve letters in three groups: 54 bits, easy to type."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))


def _is_alive(process: int) -> bool:
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
