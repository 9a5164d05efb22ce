from __future__ import annotations

import io
import pickle
import random
from typing import Any

import pytest

from streaming.forecast_process import serve
from streaming.forecaster import Forecaster, Question, Told
from streaming.wait_board import Board


def reply(waiting: int, *, now_ms: int = 1_000_000, history: tuple[bytes, ...] = (), events: int = 0) -> list[Any]:
    """Of a lane that lets one start per second, as its script gives it."""
    line = [value for n in range(waiting) for value in (f"g{n}".encode(), 0, n, b"ann", b"100", b"200", now_ms)]
    head = [now_ms, b"epoch", 0, waiting, 0, b"", 0, b"", b"", b"", -1, -1, events]
    return [*head, [b"r", b"0", b"10", b"1"], [], line, [], [], [], list(history)]


def a_forecaster() -> Forecaster:
    return Forecaster(random.Random(1).random)


def test_a_board_is_drawn_from_a_reply() -> None:
    board = Board.decode(a_forecaster().tell(Question("a lane", reply(3))).board)
    assert (board.lane, board.depth) == ("a lane", 3)
    assert [point.p50_s for point in board.grid] == [1, 2, 3]


def test_what_was_told_before_is_judged_in_the_same_lane_only() -> None:
    there = a_forecaster()
    there.tell(Question("a lane", reply(2)))
    end = reply(1, now_ms=1_001_000, history=(b"w 1001000 1000 0 g0",), events=1)
    assert there.tell(Question("another lane", end)).outcomes == []
    assert [outcome.ticket for outcome in there.tell(Question("a lane", end)).outcomes] == ["g0"]


def test_a_lane_whose_estimate_fails_begins_anew() -> None:
    there = a_forecaster()
    there.tell(Question("a lane", reply(2)))
    with pytest.raises(ValueError, match="unpack"):
        there.tell(Question("a lane", reply(2)[:4]))
    end = reply(1, now_ms=1_001_000, history=(b"w 1001000 1000 0 g0",), events=1)
    assert there.tell(Question("a lane", end)).outcomes == []


def test_the_process_answers_each_question_and_says_what_failed() -> None:
    asked = [Question("a lane", reply(1)), Question("a lane", []), Question("a lane", reply(2))]
    questions, answers = io.BytesIO(b"".join(map(pickle.dumps, asked))), io.BytesIO()
    serve(questions, answers, a_forecaster())
    answers.seek(0)
    first, second, third = (pickle.load(answers) for _ in asked)
    assert isinstance(first, Told)
    assert isinstance(third, Told)
    assert "Traceback" in second
    assert not answers.read()
