"""Each guarantee is stated in both documents, and names tests that exist."""

from __future__ import annotations

import re

import pytest

from tests.architecture.sources import BASE_DIR

GUARANTEES = [f"G{number}" for number in range(1, 14)]


@pytest.mark.parametrize("document", ["README.md", "streaming/PROTOCOL.md"])
def test_every_guarantee_names_tests_that_exist(document: str) -> None:
    text = (BASE_DIR / document).read_text()
    lines = dict(re.findall(r"^\| (G\d+) \|(.+)$", text, re.MULTILINE))
    assert list(lines) == GUARANTEES
    for name, line in lines.items():
        files = re.findall(r"`(tests/[\w/]+\.py)`", line)
        assert files, f"{name}: no tests"
        for file in files:
            assert re.search(r"^(async )?def test_", (BASE_DIR / file).read_text(), re.MULTILINE), f"{name}: {file}"
