"""The apps work in Django's own admin as well: unfold is this site's taste, not theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import BASE_DIR


def test_the_pages_open_without_unfold(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.integration.chatsite.plain_admin_site", str(tmp_path / "plain.sqlite3")]
    ended = subprocess.run(words, cwd=BASE_DIR, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "streaming/generation 200 False",
        "streaming/lane 200 False",
        "streaming/tokenbudget 200 False",
        "chat/conversation 200 False",
    ]
