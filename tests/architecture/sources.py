"""Our own source files, for the tests of the tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("chatsite", "chat", "streaming")
CODE = (".py", ".js", ".lua")


def sources(*folders: str) -> Iterator[tuple[str, Path]]:
    """(name relative to the repository, path) of each code file, without migrations."""
    for folder in folders:
        for path in sorted((BASE_DIR / folder).rglob("*")):
            if path.suffix in CODE and "migrations" not in path.parts and "node_modules" not in path.parts:
                yield str(path.relative_to(BASE_DIR)), path


def python_sources() -> Iterator[tuple[str, Path]]:
    return ((name, path) for name, path in sources(*PACKAGES) if path.suffix == ".py")
