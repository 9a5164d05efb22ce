"""The tree stays one that a stranger can read: small files and functions, telling names, tests of pure modules."""

from __future__ import annotations

import ast
import tomllib
from fnmatch import fnmatch

import pytest

from tests.architecture.sources import BASE_DIR, PACKAGES, python_sources, sources

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
MEDIAN_FUNCTION_LINES_MAX = 12
VAGUE_NAMES = frozenset({"utils", "helpers", "common", "misc", "shared", "util", "helper"})
TOP_LEVEL = frozenset(
    {
        "manage.py",
        "pyproject.toml",
        "README.md",
        "docker-compose.yml",
        "chatsite",
        "chat",
        "streaming",
        "templates",
        "tests",
    }
)


def test_no_file_is_long() -> None:
    long = {
        name: count
        for name, path in sources(*PACKAGES, "tests")
        if (count := len(path.read_text().splitlines())) > FILE_LINES_MAX
    }
    assert long == {}


def functions() -> list[tuple[str, int]]:
    found = []
    for name, path in python_sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.append((f"{name}:{node.name}", (node.end_lineno or 0) - node.lineno + 1))
    return found


def test_no_function_is_long_and_most_are_short() -> None:
    sizes = functions()
    assert [name for name, lines in sizes if lines > FUNCTION_LINES_MAX] == []
    assert sorted(lines for _, lines in sizes)[len(sizes) // 2] <= MEDIAN_FUNCTION_LINES_MAX


def test_names_say_what_is_inside() -> None:
    for name, path in sources(*PACKAGES, "tests"):
        assert path.stem not in VAGUE_NAMES, name
        assert path.stem != "base" or "providers" in path.parts, name


def pure_modules() -> list[str]:
    tables = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())
    contracts = tables["tool"]["importlinter"]["contracts"]
    modules: list[str] = next(contract for contract in contracts if contract["name"] == "the core is pure")[
        "source_modules"
    ]
    return modules


@pytest.mark.parametrize("module", pure_modules())
def test_each_pure_module_has_its_own_test(module: str) -> None:
    """Unless it only says what its data are called."""
    *packages, name = module.split(".")
    tree = ast.parse(BASE_DIR.joinpath(*packages, f"{name}.py").read_text())
    decides = any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree))
    assert not decides or BASE_DIR.joinpath("tests", "unit", *packages, f"test_{name}.py").is_file()


def test_the_top_level_holds_what_it_should_and_nothing_else() -> None:
    made = [*(BASE_DIR / ".gitignore").read_text().split(), "build/"]
    present = {
        path.name
        for path in BASE_DIR.iterdir()
        if not path.name.startswith(".") and not any(fnmatch(path.name, pattern.rstrip("/")) for pattern in made)
    }
    assert present == TOP_LEVEL
