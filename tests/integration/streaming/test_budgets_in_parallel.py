"""RELIABILITY H21: fifty questions at once against a budget that has room for one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.architecture.sources import BASE_DIR
from tests.postgres import Postgres, programs

PROCESSES, THREADS = 5, 10
SPENDER = ("-m", "tests.integration.streaming.spender")
#: With the rows of an earlier question: making them would let the fifty in one after the other.
MAKE_ANN = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
from django.utils import timezone
from streaming.models import TokenSpend
ann = User.objects.create_user("ann")
for period in ("%Y-%m-%d", "%Y-%m"):
    TokenSpend.objects.create(user=ann, period=timezone.now().strftime(period))
print(ann.pk)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(
    request: pytest.FixtureRequest, tmp_path: Path, django_db_setup: None, django_db_blocker: Any
) -> Iterator[dict[str, str]]:
    common = {
        "PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "chatsite.settings", "SECRET_KEY": "only-for-tests",
        "USER_TOKENS_PER_DAY": "5000",
    }  # fmt: skip
    if request.param == "sqlite":
        file = tmp_path / "chat.sqlite3"
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            if connection.vendor == "sqlite":  # the migrations of the tests' own database will do
                cursor.execute("VACUUM INTO %s", [str(file)])
        yield common | {"DATABASE_URL": f"sqlite:///{file}"}
        return
    found = programs()
    if found is None:
        if os.environ.get("CHATSITE_REQUIRE_ALL"):
            pytest.fail("PostgreSQL is not installed.")
        pytest.skip("PostgreSQL is not installed.")
    server = Postgres(found)
    try:
        server.start()
        yield common | {"DATABASE_URL": server.url, "DATABASE_POOL_SIZE": str(THREADS)}
    finally:
        server.stop()


def run(environment: dict[str, str], *words: str) -> str:
    ended = subprocess.run(
        [sys.executable, *words], cwd=BASE_DIR, env=environment, capture_output=True, text=True, timeout=200
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_budget_of_one_is_spent_once(environment: dict[str, str]) -> None:
    user = run(environment, "manage.py", "shell", "--verbosity", "0", "-c", MAKE_ANN).strip()
    with ExitStack() as ends:
        counts = together(environment, user, ends)
    accepted, refused = (sum(column) for column in zip(*counts, strict=True))
    assert (accepted, refused) == (1, PROCESSES * THREADS - 1)


def together(environment: dict[str, str], user: str, ends: ExitStack) -> list[list[int]]:
    """What each process says of its threads' questions."""
    spenders = []
    for _ in range(PROCESSES):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        words = [sys.executable, *SPENDER, user, str(THREADS)]
        spenders.append(ends.enter_context(subprocess.Popen(words, cwd=BASE_DIR, env=environment, **pipes)))
        ends.callback(spenders[-1].kill)
    for spender in spenders:
        spender.stdin.write("\n")
        spender.stdin.flush()
    return [[int(word) for word in spender.communicate(timeout=200)[0].split()] for spender in spenders]
