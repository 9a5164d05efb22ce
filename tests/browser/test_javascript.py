"""The page's modules have tests in their own language; node is only needed to run those."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]


def test_the_modules_of_the_page_pass_their_own_tests(missing: Callable[[str], NoReturn]) -> None:
    node = shutil.which("node") or missing("node is not installed")
    files = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/js/*.test.js"))
    assert files
    command = [node, "--import", "./tests/js/resolve.mjs", "--test", "--test-reporter=spec", *files]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
