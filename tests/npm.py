"""Packages of the npm registry, for the few tests that show how our parts work with those of others.

Nothing of ours needs them, so they are optional everywhere: where npm or its registry is missing, such a test is
skipped, also where CHATSITE_REQUIRE_ALL lets nothing else be.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FLAGS = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefer-offline")


def npm_packages(place: Path, *names: str) -> Path:
    """The folder `node_modules` in `place` with these packages (`react@19`) in it; a skip if they cannot be had."""
    npm = shutil.which("npm") or pytest.skip("npm is not installed")
    words = [npm, "install", "--prefix", str(place), *FLAGS, *names]
    try:
        run = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry does not answer")
    if run.returncode != 0:
        pytest.skip(f"npm could not install {', '.join(names)}: {run.stderr.strip()[-200:]}")
    return place / "node_modules"
