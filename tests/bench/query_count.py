"""Counts the database queries of each process: an app that only a benchmark's site installs.

The count is kept in a file of the folder named by BENCH_QUERIES, called like the process's id: reading it asks nothing
of the process.
"""

from __future__ import annotations

import mmap
import os
import threading
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.db.backends.signals import connection_created

BYTES = 8


class QueryCount(AppConfig):
    name = "tests.bench.query_count"
    label = "bench_query_count"

    def ready(self) -> None:
        file = Path(os.environ["BENCH_QUERIES"]) / str(os.getpid())
        file.write_bytes(bytes(BYTES))
        with file.open("r+b") as opened:
            self._count = mmap.mmap(opened.fileno(), BYTES)
        self._lock = threading.Lock()
        connection_created.connect(self._watch)

    def _watch(self, connection: Any, **_: Any) -> None:
        if self._counted not in connection.execute_wrappers:  # it may have been closed and opened again
            connection.execute_wrappers.append(self._counted)

    def _counted(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        with self._lock:
            self._count[:] = (int.from_bytes(self._count[:], "big") + 1).to_bytes(BYTES, "big")
        return execute(sql, params, many, context)


def queries(folder: Path, pid: int) -> int:
    file = folder / str(pid)
    return int.from_bytes(file.read_bytes(), "big") if file.exists() else 0
