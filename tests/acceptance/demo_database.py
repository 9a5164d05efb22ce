"""The database of a demo seen from outside: its rows, and how to lock them. SQLite's file, or a PostgreSQL database."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]


class DemoDatabase(Protocol):
    """`?` stands for a value in queries; ids come and go as 32 hexadecimal digits."""

    url: str

    def rows(self, query: str, *values: Any) -> list[Row]: ...

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Nobody else writes a generation meanwhile."""
        ...

    def change(self, statement: str, *values: Any) -> None: ...


class SqliteFile:
    def __init__(self, file: Path) -> None:
        self.url, self._file = f"sqlite:///{file}", file

    def rows(self, query: str, *values: Any) -> list[Row]:
        with contextlib.closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=60)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]

    def change(self, statement: str, *values: Any) -> None:
        with contextlib.closing(sqlite3.connect(self._file, isolation_level=None, timeout=60)) as connection:
            connection.execute(statement, values)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with contextlib.closing(sqlite3.connect(self._file, isolation_level=None, timeout=60)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")


class PostgresDatabase:
    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, query: str, *values: Any) -> list[Row]:
        with self._connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(query.replace("?", "%s"), values).fetchall()
        return [{name: value.hex if isinstance(value, UUID) else value for name, value in row.items()} for row in found]

    def change(self, statement: str, *values: Any) -> None:
        with self._connect() as connection:
            connection.execute(statement.replace("?", "%s"), values)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """As strict as SQLite's lock: whoever would write waits, whoever reads does not."""
        with self._connect() as connection:
            connection.execute("LOCK TABLE streaming_generation, chat_message IN EXCLUSIVE MODE")
            yield
            connection.rollback()

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url)
