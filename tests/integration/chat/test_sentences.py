"""Whatever the engine and the rights say to people can be said in their language."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import chat
import streaming
from chat import access, changes, command_handlers, revalidation
from chat import services as chat_services
from chat.command_fields import MESSAGE_MAX_CHARS
from chat.instructions import SYSTEM_PROMPT_MAX_CHARS
from chat.sentences import SENTENCES
from streaming import admission, budget_refusals, lifecycle, providers, services
from streaming.errors import StreamingError
from streaming.providers.refusals import VERDICTS

ROOT = Path(__file__).resolve().parents[3]
_REFUSALS = {"Refused", "Forbidden", "NotFound"}


def _kinds(kind: type[StreamingError]) -> Iterator[type[StreamingError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


@pytest.fixture(scope="module", autouse=True)
def _all_modules() -> None:
    """All kinds of errors are known only then, whatever ran before."""
    for package in (chat, streaming):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" not in module.name:
                importlib.import_module(module.name)


def _is_for_people(kind: type[StreamingError]) -> bool:
    """What programs are told stays English."""
    return kind.__module__.startswith(("streaming.", "chat.")) and not kind.__module__.startswith("chat.api")


def test_every_error_that_people_may_read_stands_in_the_list_for_translators() -> None:
    said = {kind.message for kind in _kinds(StreamingError) if _is_for_people(kind)}
    said |= {verdict.message for verdict in VERDICTS.values() if verdict.message}
    said |= {lifecycle.GOES_ON, changes.QUEUE_IS_AWAY, revalidation.REMOVED, *access._NEEDED.values()}
    said |= {services.TOO_MANY_LIVE, admission.OWN_WAITS, admission.OWN_WAIT, admission.FULL, admission.TOO_LONG}
    said |= {admission.OTHERS, f"That message is too long: at most {MESSAGE_MAX_CHARS:,} characters."}
    said |= {providers.UNKNOWN, providers.KNOWN, chat_services.MANY_WAIT}
    said |= {command_handlers.CONVERSATIONS_MAX, command_handlers.STREAMS_MAX}
    said |= {*budget_refusals.LEFT.values(), *budget_refusals.NEVER.values(), *_constants(budget_refusals)}
    said |= {f"These instructions are too long: at most {SYSTEM_PROMPT_MAX_CHARS:,} characters."}
    assert said <= set(SENTENCES)


def _constants(module: ModuleType) -> set[str]:
    return {value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}


def test_every_refusal_in_the_sources_stands_there_too() -> None:
    missing = {
        (str(path.relative_to(ROOT)), words)
        for package in ("chat", "streaming")
        for path in (ROOT / package).rglob("*.py")
        if "api" not in path.parts
        for words in _refusals(ast.parse(path.read_text()))
        if words not in SENTENCES
    }
    assert missing == set()


def _refusals(tree: ast.AST) -> Iterator[str]:
    """First arguments of `Refused("…")` and its kind, where they are constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _REFUSALS and node.args:
            words = node.args[0]
            if isinstance(words, ast.Constant) and isinstance(words.value, str):
                yield words.value


def test_no_sentence_stands_twice_in_it() -> None:
    assert len(SENTENCES) == len(set(SENTENCES))
