from datetime import UTC, datetime, timedelta

from streaming.answer_times import AnswerTimes, answer_times

ASKED = datetime(2026, 11, 21, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return ASKED + timedelta(seconds=seconds)


def test_all_times_count_from_the_request() -> None:
    assert answer_times(ASKED, after(0.5), after(0.9), after(3)) == AnswerTimes(500, 900, 3000)


def test_what_did_not_happen_has_no_time() -> None:
    assert answer_times(ASKED, None, None, None) == AnswerTimes(None, None, None)
    assert answer_times(ASKED, after(0.5), None, after(1)) == AnswerTimes(500, None, 1000)


def test_an_answer_that_another_worker_went_on_with_says_nothing_of_its_wait() -> None:
    assert answer_times(ASKED, after(20), after(0.9), after(30)) == AnswerTimes(None, 900, 30_000)


def test_clocks_that_disagree_make_no_time_negative() -> None:
    assert answer_times(ASKED, after(-0.2), after(0.1), after(1)).waited_ms == 0
