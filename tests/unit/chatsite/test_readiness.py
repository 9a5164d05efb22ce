"""What a process does when it can serve."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatsite.readiness import GC_THRESHOLDS, SWITCH_INTERVAL_S, say_ready


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    interval_s, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval_s)
    gc.unfreeze()


def test_it_says_so_in_the_file_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "web.ready"
    monkeypatch.setenv("READY_FILE", str(file))
    assert not file.exists()
    say_ready()
    assert file.exists()


def test_the_garbage_collector_leaves_alone_what_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("READY_FILE", raising=False)
    say_ready()
    assert gc.get_freeze_count() > 10_000


def test_streams_that_begin_do_not_start_a_walk_over_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("READY_FILE", raising=False)
    say_ready()
    assert gc.get_threshold() == GC_THRESHOLDS
    full = gc.get_stats()[2]["collections"]
    kept = [[number] for number in range(200_000)]  # what 800 streams keep
    assert gc.get_stats()[2]["collections"] == full
    assert len(kept) == 200_000


def test_no_thread_keeps_the_loop_waiting_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("READY_FILE", raising=False)
    say_ready()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL_S)
