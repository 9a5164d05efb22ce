"""What people may use in a day and in a month."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from streaming import budget_refusals, budgets
from streaming.budgets import Amount
from streaming.errors import Refused
from streaming.models import Attempt, Generation, TokenBudget, TokenReservation, TokenSpend
from streaming.prompt import Prompt, PromptMessage
from tests.engine import SETTINGS as ENGINE
from tests.engine import create_row

pytestmark = pytest.mark.django_db
MODEL = {"alias": "scripted", "label": "Scripted", "provider": "demo", "model": "scripted", "max_tokens": 100}
SETTINGS = ENGINE | {"models": (MODEL,)}
EVENING = datetime(2026, 11, 30, 21, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def evening(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, EVENING)


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(timezone, "now", lambda: moment)


@pytest.fixture
def day_of_1000(settings: Any) -> None:
    settings.STREAMING = SETTINGS | {"user_tokens_per_day": 1000}


def a_request() -> Generation:
    return Generation.objects.get(pk=create_row())


def reserve(tokens: int) -> Generation:
    row = a_request()
    budgets.keep(budgets.reserve(row.user_id, Amount(tokens)), row.pk)
    return row


def cover(row: Generation, tokens: int) -> None:
    """A claim: the attempt's prompt and its longest answer are `tokens`."""
    row.refresh_from_db()
    refused = budgets.cover(row, prompt_of(tokens))
    if refused is not None:
        raise refused


def prompt_of(tokens: int) -> Prompt:
    """With the longest answer, 100 tokens, and the margin."""
    return Prompt(messages=(PromptMessage("user", "four" * round((tokens - 100) / budgets.INPUT_MARGIN)),))


def ledger(row: Generation, number: int, *tokens: int, outcome: str = "retried") -> None:
    read, written = tokens or (None, None)
    Attempt.objects.create(
        generation=row,
        number=number,
        worker="w",
        user_id=row.user_id,
        ended_at=timezone.now(),
        input_tokens=read,
        output_tokens=written,
        outcome=outcome,
    )
    Generation.objects.filter(pk=row.pk).update(attempt=number)


def spends() -> dict[str, tuple[int, int]]:
    return {spend.period: (spend.reserved, spend.used) for spend in TokenSpend.objects.all()}


def test_the_most_that_may_come_is_the_estimate_with_a_margin_and_the_longest_answer() -> None:
    assert budgets.most(100, 4096) == 4246


def test_without_a_limit_nothing_is_counted(settings: Any) -> None:
    settings.STREAMING = SETTINGS | {"user_tokens_per_day": 0, "user_tokens_per_month": None}
    row = reserve(10**9)
    budgets.settle(row.pk)
    assert (spends(), TokenReservation.objects.count()) == ({}, 0)


@pytest.mark.usefixtures("day_of_1000")
def test_what_is_held_counts_until_it_is_settled_and_then_what_was_used() -> None:
    first = reserve(600)
    assert spends() == {"2026-11-30": (600, 0), "2026-11": (600, 0)}
    with pytest.raises(Refused, match="400 are left"):
        reserve(600)
    ledger(first, 1)
    ledger(first, 2, 30, 20)
    ledger(first, 3, 40, 10)
    budgets.settle(first.pk)
    assert spends() == {"2026-11-30": (0, 100), "2026-11": (0, 100)}
    reserve(900)
    with pytest.raises(Refused):
        reserve(1)


@pytest.mark.usefixtures("day_of_1000")
def test_settling_twice_books_once() -> None:
    row = reserve(600)
    ledger(row, 1, 30, 20)
    budgets.settle(row.pk)
    budgets.settle(row.pk)
    assert spends()["2026-11-30"] == (0, 50)


@pytest.mark.usefixtures("day_of_1000")
def test_a_refusal_says_how_much_is_left_and_when_there_is_more() -> None:
    reserve(600)
    with pytest.raises(Refused) as refused:
        reserve(500)
    assert refused.value.code == "budget_spent"
    assert refused.value.message == (
        "Of your 1,000 tokens for today, 400 are left. 600 are held for answers that have not ended. This question may "
        "use up to 500. There is more at 00:00 UTC, in 2 h 30 min."
    )
    left, held, *_ = refused.value.sentences
    assert left.values == {"whole": 1000, "left": 400}, "numbers, for pages to write as their readers do"
    assert (held.text, held.values) == (budget_refusals.HELD, {"held": 600})
    assert (refused.value.retryable, refused.value.retry_after_s) == (True, 9000.0)


@pytest.mark.usefixtures("day_of_1000")
def test_a_question_that_never_fits_is_not_to_be_tried_again() -> None:
    with pytest.raises(Refused, match="your whole budget for today is 1,000") as refused:
        reserve(1001)
    assert (refused.value.retryable, refused.value.retry_after_s) == (False, None)


def test_a_refused_month_leaves_the_day_as_it_was(settings: Any) -> None:
    settings.STREAMING = SETTINGS | {"user_tokens_per_day": 1000, "user_tokens_per_month": 1500}
    TokenSpend.objects.create(user_id=a_request().user_id, period="2026-11", used=1000)
    with pytest.raises(Refused, match=r"for this month, 500 are left.* first of next month, 00:00 UTC, in 2 h 30 min"):
        reserve(600)
    assert spends() == {"2026-11": (0, 1000)}


@pytest.mark.usefixtures("day_of_1000")
def test_a_new_day_brings_a_new_budget_and_an_answer_is_booked_on_the_day_it_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = reserve(1000)
    at(monkeypatch, datetime(2026, 12, 1, 0, 0, tzinfo=UTC))
    reserve(1000)
    ledger(row, 1, 300, 400)
    budgets.settle(row.pk)
    assert spends() == {
        "2026-11-30": (0, 700),
        "2026-11": (0, 700),
        "2026-12-01": (1000, 0),
        "2026-12": (1000, 0),
    }


@pytest.mark.usefixtures("day_of_1000")
def test_single_people_have_limits_of_their_own() -> None:
    own = TokenBudget.objects.create(user_id=a_request().user_id, tokens_per_day=2000)
    reserve(2000)
    own.tokens_per_day = 0
    own.save()
    reserve(10**6)
    own.tokens_per_month = 1
    own.save()
    with pytest.raises(Refused, match="your whole budget for this month is 1\\."):
        reserve(2)
    own.tokens_per_day = own.tokens_per_month = None
    own.save()
    with pytest.raises(Refused, match="1,000"):
        reserve(500)


def test_a_budget_that_begins_in_the_middle_of_a_month_counts_what_was_used_before(settings: Any) -> None:
    settings.STREAMING = SETTINGS
    ledger(a_request(), 1, 300, 500)
    settings.STREAMING = SETTINGS | {"user_tokens_per_month": 1000}
    with pytest.raises(Refused, match="200 are left"):
        reserve(201)
    reserve(200)


@pytest.mark.usefixtures("day_of_1000")
def test_a_question_that_waited_is_held_for_at_its_first_attempt() -> None:
    row = a_request()
    cover(row, 600)
    assert spends()["2026-11-30"] == (600, 0)
    other = a_request()
    with pytest.raises(Refused):
        cover(other, 600)
    assert not TokenReservation.objects.filter(pk=other.pk).exists()


@pytest.mark.usefixtures("day_of_1000")
def test_another_attempt_holds_more_only_for_what_was_used_already() -> None:
    row = reserve(600)
    cover(row, 600)
    ledger(row, 1)
    cover(row, 500)
    assert spends()["2026-11-30"] == (600, 0)
    ledger(row, 2, 200, 100)
    cover(row, 600)
    assert spends()["2026-11-30"] == (900, 0)
    ledger(row, 3, 200, 100)
    with pytest.raises(Refused, match="100 are left"):
        cover(row, 600)
    budgets.settle(row.pk)
    assert spends()["2026-11-30"] == (0, 600)


@pytest.mark.usefixtures("day_of_1000")
def test_whoever_is_not_limited_any_more_keeps_what_is_held_in_order() -> None:
    row = reserve(600)
    TokenBudget.objects.create(user_id=row.user_id, tokens_per_day=0)
    ledger(row, 1, 600, 600)
    cover(row, 600)
    budgets.settle(row.pk)
    assert spends()["2026-11-30"] == (0, 1200)


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(2026, 12, 1, tzinfo=UTC), "in 24 h 0 min"),
        (datetime(2026, 12, 1, 23, 59, 30, tzinfo=UTC), "in 1 min"),
    ],
)
@pytest.mark.usefixtures("day_of_1000")
def test_the_wait_is_told_in_words(monkeypatch: pytest.MonkeyPatch, moment: datetime, words: str) -> None:
    at(monkeypatch, moment)
    reserve(1000)
    with pytest.raises(Refused, match=words):
        reserve(1)


def test_a_month_is_waited_for_in_days(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STREAMING = SETTINGS | {"user_tokens_per_month": 10}
    at(monkeypatch, datetime(2026, 12, 5, 12, tzinfo=UTC))
    reserve(10)
    with pytest.raises(Refused, match="on the first of next month, 00:00 UTC, in 26 days"):
        reserve(1)


@pytest.mark.usefixtures("day_of_1000")
def test_what_a_lost_worker_used_is_held_until_it_is_counted() -> None:
    row = reserve(400)
    ledger(row, 1, 150, 50, outcome="lost")  # a guess, as `ledger.lose_line` makes it
    cover(row, 400)
    assert spends()["2026-11-30"] == (600, 0)
    ledger(row, 2, outcome="lost")  # the vendor's run goes on: nothing yet
    cover(row, 400)
    assert spends()["2026-11-30"] == (600, 0)


@pytest.mark.usefixtures("day_of_1000")
def test_a_withdrawn_model_is_no_matter_of_budgets() -> None:
    row = a_request()
    row.model = "gone"
    assert budgets.cover(row, prompt_of(100)) is None
    assert spends() == {}
