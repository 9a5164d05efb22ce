"""PostgreSQL searches in its own way: the same stories once more on a server of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.architecture.sources import BASE_DIR
from tests.postgres import Postgres, programs


def test_the_stories_of_searching_hold_on_postgresql() -> None:
    found = programs()
    if found is None:
        if os.environ.get("CHATSITE_REQUIRE_ALL"):
            pytest.fail("PostgreSQL is not installed.")
        pytest.skip("PostgreSQL is not installed.")
    server = Postgres(found)
    try:
        server.start()
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/integration/chat/test_search.py"],
            cwd=BASE_DIR, env={**os.environ, "DATABASE_URL": server.url}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    finally:
        server.stop()
    assert run.returncode == 0, run.stdout + run.stderr
