"""Log lines: the ids of what was worked on, and neither words of people nor keys."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from django.conf import settings
from structlog.contextvars import bound_contextvars, get_contextvars

from chatsite.log_context import LogContext
from chatsite.log_format import JsonLines, Lines, strike_out

KEY = "sk-live-0123456789"


def record(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("streaming.run", logging.WARNING, __file__, 1, message, arguments, info)


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:
        return caught


def as_json(*words: Any, **named: Any) -> dict[str, Any]:
    line = JsonLines([KEY]).format(record(*words, **named))
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_for_machines_is_one_object_with_the_ids() -> None:
    with bound_contextvars(generation_id="g-1", attempt=2, task_id="t-1"):
        found = as_json("the end of %s was refused", "g-1")
    assert found.pop("time").endswith("Z")
    assert found == {
        "event": "the end of g-1 was refused", "level": "warning", "logger": "streaming.run",
        "generation_id": "g-1", "attempt": 2, "task_id": "t-1",
    }  # fmt: skip


def test_a_line_for_people_has_them_at_its_end() -> None:
    with bound_contextvars(socket_id="abc"):
        line = Lines().format(record("too slow"))
    assert line.endswith("WARNING streaming.run too slow [socket_id=abc]")


def test_an_exception_is_told_without_its_words() -> None:
    error = raised(ValueError("Dear diary"), KeyError("my question"))
    found = as_json("it failed", error=error)["exception"]
    assert found["chain"] == ["builtins.ValueError", "builtins.KeyError"]
    assert any("test_log_format.py" in frame for frame in found["frames"])
    for line in (json.dumps(found), Lines().format(record("it failed", error=error))):
        assert "diary" not in line
        assert "question" not in line
        assert "ValueError" in line


def test_the_networks_words_are_told() -> None:
    error = raised(ConnectionRefusedError(111, "Connect call failed"))
    assert as_json("away", error=error)["exception"]["chain"] == [
        "builtins.ConnectionRefusedError: [Errno 111] Connect call failed"
    ]


@pytest.mark.parametrize("formatter", [JsonLines([KEY, "short"]), Lines([KEY, "short"])])
def test_keys_are_struck_out_wherever_they_stand(formatter: logging.Formatter) -> None:
    line = formatter.format(record("refused: %s short", {"authorization": f"Bearer {KEY}"}))
    assert KEY not in line
    assert "[secret]" in line
    assert "short" in line  # too short to be told from ordinary words


@pytest.mark.parametrize("name", ["openai", "openai._base_client", "anthropic", "httpx2", "httpcore2.http11"])
def test_libraries_that_log_whole_requests_are_quiet_at_any_level(name: str) -> None:
    configured = {"root": settings.LOGGING["root"]["level"], **{
        key: value["level"] for key, value in settings.LOGGING["loggers"].items()
    }}  # fmt: skip
    parents = [name.rsplit(".", cut)[0] for cut in range(name.count(".") + 1)]
    assert any(configured.get(parent) == "WARNING" for parent in parents)


@pytest.mark.parametrize(("kind", "name"), [("http", "request_id"), ("websocket", "socket_id")])
async def test_each_request_and_socket_has_an_id_of_its_own(kind: str, name: str) -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(get_contextvars()))

    for _ in range(2):
        await LogContext(app)({"type": kind}, None, None)
    assert [list(ids) for ids in seen] == [[name], [name]]
    assert seen[0] != seen[1]
    assert name not in get_contextvars()


async def test_what_is_neither_passes() -> None:
    seen: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(not get_contextvars())

    await LogContext(app)({"type": "lifespan"}, None, None)
    assert seen == [True]


def test_a_formatter_survives_what_cannot_be_json() -> None:
    assert "object" in as_json("%s", object())["event"]
    assert sys.exc_info() == (None, None, None)


@pytest.mark.parametrize("kind", ["invite", "shared"])
def test_a_link_is_no_reading_matter(kind: str) -> None:
    line = f"WARNING django.security.csrf Forbidden (CSRF token missing.): /{kind}/%s/ [id=1]"
    assert strike_out(line % "aB3-x_9:1vQ", ()) == line % "[secret]"
