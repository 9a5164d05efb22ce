"""What a demo keeps between runs."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatsite.demo.folder import PEOPLE, DataFolder
from chatsite.demo.options import DemoError


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """`open` narrows the mask of its process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path / "a" / "data")
    folder.open()
    yield folder
    os.close(folder.lock_descriptor)


def test_key_and_passwords_are_made_once_and_kept_private(folder: DataFolder) -> None:
    key, passwords = folder.secret_key(), folder.passwords()
    assert (folder.secret_key(), folder.passwords()) == (key, passwords)
    assert len(key) >= 50
    for name in ("secret_key", "passwords.json"):
        assert stat.S_IMODE((folder.path / name).stat().st_mode) == 0o600


def test_everybody_has_a_password_that_can_be_typed(folder: DataFolder) -> None:
    passwords = folder.passwords()
    assert tuple(passwords) == PEOPLE
    assert len(set(passwords.values())) == len(PEOPLE)
    assert all(re.fullmatch(r"[a-z]{4}-[a-z]{4}-[a-z]{4}", password) for password in passwords.values())


def test_another_folder_has_other_secrets(folder: DataFolder, tmp_path: Path) -> None:
    other = DataFolder(tmp_path / "b")
    other.open()
    assert other.secret_key() != folder.secret_key()
    assert not set(other.passwords().values()) & set(folder.passwords().values())
    os.close(other.lock_descriptor)


def test_a_folder_in_use_is_refused_and_a_left_one_taken_over(folder: DataFolder) -> None:
    with pytest.raises(DemoError, match=f"already runs on .* \\(process {os.getpid()}\\)"):
        DataFolder(folder.path).open()
    os.close(folder.lock_descriptor)
    folder.open()


def test_a_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match=r"cannot be written \(Not a directory\)"):
        DataFolder(tmp_path / "file" / "data").open()


def test_what_a_killed_run_said_of_its_processes_is_forgotten(folder: DataFolder) -> None:
    folder.write_processes({"ready": True})
    os.close(folder.lock_descriptor)
    folder.open()
    assert not folder.processes.exists()


def test_a_shell_gets_the_environment_exactly_and_nobody_else_may_read_it(folder: DataFolder) -> None:
    values = {"SECRET_KEY": "a b'c\"d$e`f\\", "DATABASE_URL": "sqlite:////x%20y"}
    folder.write_environment(values)
    assert stat.S_IMODE(folder.environment.stat().st_mode) == 0o600
    command = ["sh", "-c", f". {shlex.quote(str(folder.environment))} && env -0"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert {
        name: value for name, _, value in (line.partition("=") for line in told.split("\0")) if name in values
    } == values
