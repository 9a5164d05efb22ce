"""docker-compose.yml without Docker: its commands and environment, for running them on this machine."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parent.parent.parent / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
    return found


def words(service: str) -> list[str]:
    """The command of a service, run by this Python."""
    command = services()[service]["command"]
    parts = shlex.split(command) if isinstance(command, str) else list(command)
    return [sys.executable if part == "python" else part for part in parts]


def flags(service: str) -> dict[str, str]:
    """`--flag value` pairs; a flag without a value has an empty one."""
    return pairs(words(service))


def pairs(parts: list[str]) -> dict[str, str]:
    following = [*parts[1:], ""]
    return {
        part: "" if value.startswith("-") else value
        for part, value in zip(parts, following, strict=True)
        if part.startswith("-")
    }


def environment(service: str, dot_env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service with the variables of a .env file put in, as compose does it."""

    def replace(match: re.Match[str]) -> str:
        value = dot_env.get(match["name"], "")
        if not value and match["kind"] == "?":
            raise KeyError(match["rest"])
        return value or (match["rest"] or "" if match["kind"] == "-" else "")

    return {name: VARIABLE.sub(replace, str(value)) for name, value in services()[service]["environment"].items()}
