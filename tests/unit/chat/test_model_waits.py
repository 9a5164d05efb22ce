from __future__ import annotations

import pytest

from chat.events import ModelWaitData
from chat.model_waits import is_news, told_as
from streaming.wait_board import Wait


def a_wait(p50_s: float | None, why: str = "open", message: str = "") -> ModelWaitData:
    return told_as(Wait(2, p50_s, p50_s and p50_s * 1.5, why, message=message))


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        (40, 44, False),
        (40, 45, True),
        (40, 35, True),
        (12, 9.5, False),
        (12, 9, True),
        (6, 7.5, False),
        (4.9, 5.1, True),
        (0, 1.5, False),
        (None, None, False),
        (40, None, True),
        (None, 0, True),
    ],
)
def test_only_a_change_that_would_mislead_is_news(before: float | None, after: float | None, news: bool) -> None:
    assert is_news({"demo": a_wait(before)}, {"demo": a_wait(after)}) is news


def test_a_reason_and_a_model_that_come_or_go_are_news() -> None:
    said = {"demo": a_wait(40)}
    assert is_news(said, {"demo": a_wait(40, "paused")})
    assert is_news({"demo": a_wait(None, "blocked", "No credit.")}, {"demo": a_wait(None, "blocked", "Out of order.")})
    assert is_news(said, {})
    assert is_news({}, said)
    assert not is_news(said, dict(said))
