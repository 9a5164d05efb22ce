"""When the publisher's turns come, and what makes its windows longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from streaming.publisher import BATCH_EVENTS, TURNS_MAX, TURNS_MIN, Publisher


@pytest.fixture
async def idle(streaming_settings: dict[str, Any], settings: Any) -> AsyncIterator[Publisher]:
    settings.STREAMING = streaming_settings | {"window_s": 0.033, "window_max_s": 0.1}
    made = Publisher()
    yield made
    await made.aclose()


@pytest.mark.parametrize(
    ("events_per_s", "turn_s"),
    [(0.0, 0.033 / TURNS_MIN), (500.0, 0.033 / TURNS_MIN), (1500.0, BATCH_EVENTS / 1500), (9000.0, 0.033 / TURNS_MAX)],
)
async def test_turns_come_when_a_batch_is_due(idle: Publisher, events_per_s: float, turn_s: float) -> None:
    idle._rate = events_per_s
    assert idle._turn_s == pytest.approx(turn_s)


async def test_one_late_append_stretches_no_window_and_a_busy_second_does(
    idle: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = asyncio.get_running_loop().time()
    monkeypatch.setattr(idle, "_loop", Clock(now))
    settings = idle._settings

    def appended(took_s: float, times: int) -> float:
        for _ in range(times):
            idle._loop.now += 0.010 + took_s  # type: ignore[attr-defined]
            idle._measure(idle._loop.time() - took_s, 16)
        return idle._window_s

    assert appended(0.002, 100) == settings.window_s
    assert appended(0.030, 1) == settings.window_s
    assert appended(0.002, 20) == settings.window_s
    assert appended(0.030, 40) == pytest.approx(settings.window_max_s, rel=0.01)


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now
