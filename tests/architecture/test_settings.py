"""The environment is the only source of settings, and the README names each variable."""

from __future__ import annotations

import re

from tests.architecture.sources import BASE_DIR, python_sources

READS = re.compile(r"\benv(?:\.\w+)?\(\s*\"([A-Z][A-Z0-9_]+)\"")
ROW = re.compile(r"`([A-Z][A-Z0-9_]+)`")


def variables_read() -> set[str]:
    texts = [(BASE_DIR / "chatsite" / name).read_text() for name in ("settings.py", "offers.py")]
    return {variable for text in texts for variable in READS.findall(text)}


def variables_documented() -> set[str]:
    readme = (BASE_DIR / "README.md").read_text()
    section = readme.partition("## Settings")[2].partition("\n## ")[0]
    return {name for line in section.splitlines() if line.startswith("|") for name in ROW.findall(line.split("|")[1])}


def test_the_readme_names_each_variable_and_no_other() -> None:
    assert variables_read() == variables_documented()


def test_only_these_files_read_the_environment() -> None:
    """`setdefault` of the settings' name, as Django's own templates have it, is not reading."""
    reads = re.compile(r"os\.environ(?!\.setdefault)|getenv\(")
    readers = {name for name, path in python_sources() if reads.search(path.read_text())}
    assert readers <= {
        "chatsite/client/credentials.py",
        "chatsite/demo/commands.py",
        "chatsite/healthcheck.py",
        "chatsite/readiness.py",
    }


def test_only_one_module_of_each_app_reads_the_settings_of_the_engine() -> None:
    readers = {
        name for name, path in python_sources() if re.search(r"settings\.STREAMING|\"STREAMING\"", path.read_text())
    }
    assert readers <= {"streaming/conf.py", "streaming/checks.py", "chatsite/settings.py"}
