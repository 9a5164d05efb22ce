import pytest

from tests.acceptance.wait_record import WaitRecord, judge


def wait(*told: tuple[float, float, float, str], start: float) -> WaitRecord:
    """Each: when, p50, p90, why."""
    record = WaitRecord()
    for at, p50_s, p90_s, why in told:
        record.hear({"p50_s": p50_s, "p90_s": p90_s, "why": why}, at)
    record.start(start)
    return record


def test_the_first_promise_counts_and_a_little_lateness_does_not() -> None:
    kept = wait((0, 20, 30, "open"), (10, 10, 12, "open"), start=30.4)
    broken = wait((0, 20, 30, "open"), (10, 18, 40, "slower"), start=31)
    assert (kept.is_kept, broken.is_kept) == (True, False)
    honesty = judge([kept, broken])
    assert (honesty.kept, honesty.median_p50_s, honesty.median_width_s) == (0.5, 20, 10)


def test_a_number_that_rises_must_say_why() -> None:
    assert wait((0, 20, 30, "open"), (10, 15, 25, "slower"), start=25).silent_rises() == []
    assert wait((0, 20, 30, "open"), (10, 10.9, 20, "open"), start=25).silent_rises() == []
    assert len(wait((0, 20, 30, "open"), (10, 15, 25, "open"), start=25).silent_rises()) == 1
    assert len(wait((0, 20, 30, "open"), (25, 6, 9, "own"), start=31).silent_rises()) == 1, (
        "the countdown stood at zero"
    )


def test_a_number_that_ends_after_the_first_promise_passed_it() -> None:
    assert not wait((0, 20, 30, "open"), (10, 20, 25, "slower"), start=25).passed_first_p90()
    assert wait((0, 20, 30, "open"), (10, 21, 25, "slower"), start=25).passed_first_p90()
    assert not wait((0, 20, 30, "open"), (40, 0, 0, "open"), start=41).passed_first_p90(), "any moment"


def test_what_the_machine_took_is_nobodys_broken_promise() -> None:
    record = wait((0, 20, 30, "open"), (10, 24, 30, "slower"), start=36)
    assert (record.is_kept, record.passed_first_p90()) == (False, True)
    record.lost_s = 6.0
    assert (record.is_kept, record.passed_first_p90()) == (True, False)


def test_a_number_after_nobody_could_tell_is_a_new_one() -> None:
    record = WaitRecord()
    record.hear({"reason": "waiting", "p50_s": 5.0, "p90_s": 10.0, "why": "open"}, 0)
    record.hear({"reason": "waiting", "p50_s": None, "p90_s": None, "why": "open"}, 20)
    record.hear({"reason": "waiting", "p50_s": 5.0, "p90_s": 10.0, "why": "open"}, 25)
    assert record.silent_rises() == []
    record.hear({"reason": "waiting", "p50_s": 5.0, "p90_s": 10.0, "why": "open"}, 30)
    assert len(record.silent_rises()) == 1


def test_a_frame_that_lay_unread_is_no_rise() -> None:
    record = WaitRecord()
    record.hear({"p50_s": 20.0, "p90_s": 30.0, "why": "open"}, 0)
    record.hear({"p50_s": 10.0, "p90_s": 20.0, "why": "open"}, 25, since=9.0)
    assert record.silent_rises() == []
    assert not record.passed_first_p90()


def test_what_was_said_without_a_number_or_after_the_start_is_no_promise() -> None:
    record = WaitRecord()
    record.hear({"p50_s": None, "p90_s": None}, 1)
    record.start(5)
    record.hear({"p50_s": 1.0, "p90_s": 2.0}, 6)
    assert not record.is_scored
    with pytest.raises(AssertionError, match="nobody was told"):
        judge([record])
