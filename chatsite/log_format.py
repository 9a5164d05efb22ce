"""How log lines look: one JSON object each, or a line for people, both with the ids of whatever was being worked on.

What people and models write must not get here, nor keys. So the libraries that would log whole requests are kept
quiet at any level, exceptions are told by their type and place and, since their words may quote anything, without
words but for those of the network's; and known secrets are struck out of whatever is left.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterable
from typing import Any, Final

import structlog

#: They log requests and answers, or their lines.
QUIET: Final = ("openai", "anthropic", "aiohttp", "httpx2", "httpcore2", "httpx", "httpcore", "websockets", "urllib3")
SECRET_MIN_CHARS: Final = 8
STRUCK_OUT: Final = "[secret]"
#: Django logs the address of what it refuses, and an invitation's or a share's is all that one needs to come in.
_LINKS: Final = re.compile(r"(?<!\w)(/(?:invite|shared)/)(?!withdraw/)[^/\s\"\\]+")
_SPEAKING: Final = (OSError, TimeoutError, ImportError)
"""Exceptions whose words are about addresses and files. The database's are not among them: they quote values."""


def quiet_loggers() -> dict[str, Any]:
    return {name: {"level": "WARNING"} for name in QUIET}


def secrets_in(values: Iterable[str]) -> tuple[str, ...]:
    """What is long enough to be told from ordinary words; the longest first."""
    return tuple(sorted({value for value in values if len(value) >= SECRET_MIN_CHARS}, key=len, reverse=True))


class Lines(logging.Formatter):
    """For people."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("{asctime} {levelname} {name} {message}", style="{")
        self._secrets = secrets_in(secrets)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        ids = structlog.contextvars.get_contextvars()
        if ids:
            first, newline, rest = line.partition("\n")
            line = f"{first} [{' '.join(f'{name}={value}' for name, value in ids.items())}]{newline}{rest}"
        return strike_out(line, self._secrets)

    def formatException(self, ei: Any) -> str:
        return "\n".join([*told(ei[1])["frames"], *told(ei[1])["chain"]])


class JsonLines(structlog.stdlib.ProcessorFormatter):
    """For machines."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")
        super().__init__(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                stamp,
                _exception,
            ],
            processors=[self.remove_processors_meta, structlog.processors.JSONRenderer(default=str)],
        )
        self._secrets = secrets_in(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return strike_out(super().format(record), self._secrets)


def _exception(logger: Any, name: str, event: Any) -> Any:
    """Structlog's own would print its words."""
    record = event.get("_record")
    info = event.pop("exc_info", None) or (record.exc_info if record else None)
    if info and info is not True and info[1] is not None:
        event["exception"] = told(info[1])
    if record is not None:
        record.exc_info = record.exc_text = None
    return event


def told(error: BaseException | None) -> dict[str, list[str]]:
    """Where it was raised, and the types of it and of what caused it."""
    if error is None:
        return {"frames": [], "chain": []}
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    chain: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < 10:
        words = f": {seen}" if isinstance(seen, _SPEAKING) or type(seen).__module__.startswith("redis") else ""
        chain.append(f"{type(seen).__module__}.{type(seen).__qualname__}{words}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return {"frames": frames, "chain": chain}


def strike_out(line: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        if secret in line:
            line = line.replace(secret, STRUCK_OUT)
    return _LINKS.sub(rf"\1{STRUCK_OUT}", line) if "/invite/" in line or "/shared/" in line else line
