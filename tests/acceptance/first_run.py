"""What the first run of a demo leaves in its folder, made once for all tests of a process.

Migrations and password hashes take as long as the rest of a start; that a demo makes them itself is seen in
test_demo_command.py. A start over these files is every other start of a demo: `migrate` runs there, and finds nothing.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from chatsite.demo import commands
from chatsite.demo.folder import DataFolder

PREPARED_WITHIN_S: Final = 200.0


def lay_out(data: Path) -> None:
    """The files of a first run, where there was none."""
    if data.exists() and any(data.iterdir()):
        return
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in _first_run().iterdir():
        shutil.copy2(file, data)


def prepare(database: str) -> None:
    """The same people in another database, which is empty."""
    _run(DataFolder(_first_run()), database)


@functools.cache
def _first_run() -> Path:
    path = Path(tempfile.mkdtemp(prefix="first-run-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    folder = DataFolder(path)
    _run(folder, f"sqlite:///{folder.database}")
    folder.database.chmod(0o600)
    return path


def _run(folder: DataFolder, database: str) -> None:
    """As the demo itself does it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    env = {**kept, "SECRET_KEY": folder.secret_key(), "DATABASE_URL": database}
    ended = subprocess.run(
        commands.prepare_words(folder), env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=PREPARED_WITHIN_S,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
