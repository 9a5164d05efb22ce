"""The write-ahead log moves into the database beside the commits, and harms nobody."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from django.db import connection

from streaming import database
from streaming.write_ahead import WriteAhead
from tests.acceptance.rig import until

PERIOD_S = 0.02
ROW = "x" * 4_000
MOVED = "the move into the file"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite3"


@pytest.fixture
def writer(file: Path) -> Iterator[sqlite3.Connection]:
    """Its own commits move nothing."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as writer:
        for words in ("journal_mode=WAL", "wal_autocheckpoint=0"):
            writer.execute(f"PRAGMA {words}")
        writer.execute("CREATE TABLE texts (text TEXT)")
        yield writer


@pytest.fixture
def mover(file: Path) -> Iterator[WriteAhead]:
    mover = WriteAhead(str(file), PERIOD_S)
    mover.start()
    yield mover
    mover.end()
    assert not mover.is_alive()


def write(writer: sqlite3.Connection) -> None:
    writer.executemany("INSERT INTO texts VALUES (?)", [(ROW,)] * 50)


def has_grown(file: Path, rows: int) -> bool:
    return file.stat().st_size > rows * len(ROW)


def test_what_is_committed_moves_into_the_file_without_another_commit(
    file: Path, writer: sqlite3.Connection, mover: WriteAhead
) -> None:
    for rounds in (1, 2, 3):
        write(writer)
        until(partial(has_grown, file, 50 * rounds), MOVED)


def test_who_writes_does_not_keep_it_from_moving_and_is_not_kept_from_writing(
    file: Path, writer: sqlite3.Connection, mover: WriteAhead
) -> None:
    write(writer)
    writer.execute("BEGIN IMMEDIATE")
    until(partial(has_grown, file, 50), MOVED)
    write(writer)
    writer.execute("COMMIT")
    until(partial(has_grown, file, 100), MOVED)


def test_a_failure_is_tried_again(
    file: Path, writer: sqlite3.Connection, mover: WriteAhead, caplog: pytest.LogCaptureFixture
) -> None:
    hidden = file.with_suffix(".hidden")
    log = Path(f"{file}-wal")
    file.rename(hidden)
    write(writer)
    until(lambda: "stays as it is" in caplog.text, "a failure")
    assert not file.exists()  # and nothing was made in its place
    hidden.rename(file)
    assert log.exists()
    until(partial(has_grown, file, 50), MOVED)


def test_where_there_is_no_database_none_is_made(file: Path, mover: WriteAhead) -> None:
    mover._over.wait(5 * PERIOD_S)
    assert not file.exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's own")
async def test_it_runs_while_a_process_uses_its_database() -> None:
    def movers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if isinstance(thread, WriteAhead)]

    await database.call(int)
    assert len(movers()) == 1
    database.shutdown()
    assert movers() == []
