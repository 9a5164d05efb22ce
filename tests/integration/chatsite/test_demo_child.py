"""One supervised process: started again when it dies, given up when it keeps dying, ended when asked."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chatsite.demo import child as child_module
from chatsite.demo.child import DEATHS_MAX, Child, ChildPlan, describe
from chatsite.demo.options import DemoError
from tests.acceptance.rig import is_alive


@pytest.fixture
def lines() -> list[tuple[str, str]]:
    return []


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "BACKOFF_S", (0.0,) * DEATHS_MAX)


def make(tmp_path: Path, lines: list[tuple[str, str]], code: str, **plan: object) -> Child:
    words = [sys.executable, "-c", code]
    made = ChildPlan("web 1", words, dict(os.environ), tmp_path, **plan)  # type: ignore[arg-type]
    return Child(made, 0, lambda name, line: lines.append((name, line)), lambda: None)


async def holds(child: Child, true: Callable[[], bool]) -> None:
    """Waits for something that a line or a change of the child brings about."""
    happened, show = asyncio.Event(), child.show
    child.changed = happened.set

    def show_and_tell(name: str, line: str) -> None:
        show(name, line)
        happened.set()

    child.show = show_and_tell
    while not true():
        happened.clear()
        await asyncio.wait_for(happened.wait(), 60)


async def test_one_that_keeps_dying_young_is_given_up_with_its_last_words(
    tmp_path: Path, lines: list[tuple[str, str]]
) -> None:
    child = make(tmp_path, lines, "print('no such file: x'); raise SystemExit(3)")
    with pytest.raises(
        DemoError, match=r"web 1 died 5 times in a row \(exit code 3\)\. Its last line: no such file: x"
    ):
        await child.keep()
    assert child.starts == DEATHS_MAX


async def test_one_that_lived_long_enough_starts_with_a_clean_record(
    tmp_path: Path, lines: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "YOUNG_S", 0.0)
    child = make(tmp_path, lines, "")
    keeping = asyncio.create_task(child.keep())
    await holds(child, lambda: child.starts > DEATHS_MAX)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await child.stop(5)
    assert child.deaths == 1


async def test_its_lines_are_shown_under_its_name_except_the_hidden_ones(
    tmp_path: Path, lines: list[tuple[str, str]]
) -> None:
    child = make(tmp_path, lines, "print('a'); print(); print('# WARNING b'); print('c')", hidden="# WARNING")
    assert await child.run_once() == 0
    assert lines == [("web 1", "a"), ("web 1", "c")]


async def test_a_line_without_end_does_not_stop_the_reading(tmp_path: Path, lines: list[tuple[str, str]]) -> None:
    child = make(tmp_path, lines, "print('x' * 3_000_000); print('after')")
    assert await child.run_once() == 0
    assert lines[-1] == ("web 1", "after")


async def test_it_is_ready_once_its_file_is_there_and_not_before(tmp_path: Path, lines: list[tuple[str, str]]) -> None:
    ready = tmp_path / "ready"
    ready.touch()  # of an earlier run
    child = make(tmp_path, lines, "import signal; signal.pause()", ready_file=ready)
    await child.start()
    assert not child.is_ready
    ready.touch()
    assert child.is_ready
    await child.stop(5)
    assert not child.is_ready


async def test_one_that_ignores_the_request_is_killed(tmp_path: Path, lines: list[tuple[str, str]]) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    child = make(tmp_path, lines, deaf)
    await child.start()
    reading = asyncio.create_task(child.finish())
    await holds(child, lambda: bool(lines))
    pid = child.pid
    assert pid is not None
    await child.stop(0.1)
    assert await reading == -9
    assert not is_alive(pid)


@pytest.mark.parametrize(("code", "words"), [(0, "exit code 0"), (-9, "SIGKILL"), (-99, "signal 99")])
def test_exit_codes_are_described(code: int, words: str) -> None:
    assert describe(code) == words
