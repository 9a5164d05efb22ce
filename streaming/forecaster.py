"""The estimates of all lanes, as a process of their own makes them (see `forecast_process`). Pure.

A crowded lane's estimate takes tens of milliseconds, perhaps each second. The loop that streams has no such time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from streaming.lane_snapshot import parse_snapshot
from streaming.wait_board import draw_board
from streaming.wait_estimator import Outcome, WaitEstimator


@dataclass(frozen=True, slots=True)
class Question:
    """`reply` is the snapshot as the lane's script told it: to parse it is work as well."""

    lane: str
    reply: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Told:
    """`board` is encoded; `cpu_s` is what all of it took."""

    board: str
    outcomes: list[Outcome]
    cpu_s: float


class Forecaster:
    """Remembers what each lane taught. `dice` gives random numbers from 0 to 1."""

    def __init__(self, dice: Callable[[], float]) -> None:
        self._dice = dice
        self._estimators: dict[str, WaitEstimator] = {}

    def tell(self, asked: Question) -> Told:
        """A lane whose estimate fails is forgotten: its next question should bring all of its history."""
        began = time.process_time()
        estimator = self._estimators.pop(asked.lane, None) or WaitEstimator()
        forecast = estimator.estimate(parse_snapshot(asked.reply), self._dice)
        self._estimators[asked.lane] = estimator
        board = draw_board(asked.lane, forecast).encode()
        return Told(board, forecast.outcomes, time.process_time() - began)
