"""`manage.py usage` says what the ledger says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import count
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

from streaming import usage
from streaming.models import Attempt

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
numbers = count(1)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOON)


def ended(user: str, model: str, days_ago: float = 0, **columns: Any) -> None:
    owner = get_user_model().objects.get_or_create(username=user)[0]
    values = {"outcome": "completed", "input_tokens": 10, "output_tokens": 5} | columns
    at = NOON - timedelta(days=days_ago)
    Attempt.objects.create(number=next(numbers), worker="w", user=owner, model=model, ended_at=at, **values)


@pytest.fixture
def ledger() -> None:
    ended("ann", "large", cost_micro=1_500_000, cached_tokens=4)
    ended("ann", "large", cost_micro=250_001)
    ended("ann", "small")  # no known price
    ended("bob", "large", days_ago=3, cost_micro=0)
    ended("bob", "large", days_ago=40, cost_micro=7)  # another month
    ended("bob", "large", outcome="retried", input_tokens=None, output_tokens=None)
    Attempt.objects.create(number=1, worker="w", model="large")  # it still runs


def said(*words: str) -> list[str]:
    out = StringIO()
    call_command("usage", *words, stdout=out)
    return out.getvalue().splitlines()


@pytest.mark.usefixtures("ledger")
def test_csv_by_person_and_model_of_this_month() -> None:
    assert said("--by", "user,model", "--csv") == [
        "user,model,attempts,input_tokens,output_tokens,cached_tokens,cost_usd,unpriced",
        "ann,large,2,20,10,4,1.750001,0",
        "ann,small,1,10,5,0,,1",
        "bob,large,2,10,5,0,0.000000,0",
    ]


@pytest.mark.usefixtures("ledger")
def test_a_table_for_people() -> None:
    assert said("--by", "model", "--from", "2026-11-21", "--to", "2026-11-21") == [
        "model  attempts  input_tokens  output_tokens  cached_tokens  cost_usd  unpriced",
        "large         3            20             10              4  1.750001         0",
        "small         1            10              5              0                   1",
    ]


@pytest.mark.usefixtures("ledger")
def test_days_are_included_at_both_ends() -> None:
    assert said("--by", "day", "--csv", "--from", "2026-11-18", "--to", "2026-11-18")[1:] == [
        "2026-11-18,1,10,5,0,0.000000,0"
    ]
    assert said("--by", "month,outcome", "--csv", "--from", "2026-10-01")[1:] == [
        "2026-10-01,completed,1,10,5,0,0.000007,0",
        "2026-11-01,completed,4,40,20,4,1.750001,1",
        "2026-11-01,retried,1,0,0,0,0.000000,0",
    ]


def test_nothing_used_is_a_table_without_rows() -> None:
    assert len(said("--csv")) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--by", "colour"], "'colour' is none of user, model"),
        (["--from", "yesterday"], "'yesterday' is not a day"),
        (["--from", "2026-11-02", "--to", "2026-11-01"], "--to is before --from"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        said(*words)


@pytest.mark.usefixtures("ledger")
def test_a_person_sees_what_they_used_by_model() -> None:
    ann = get_user_model().objects.get(username="ann")
    used = usage.of_person(ann.pk, NOON - timedelta(days=1), NOON + timedelta(days=1))
    assert [(one.key, one.attempts, one.tokens, one.cost) for one in used] == [
        (("large",), 2, 30, "1.7500"),
        (("small",), 1, 15, None),
    ]
    whole = usage.total(used)
    assert (whole.attempts, whole.tokens, whole.unpriced, whole.cost) == (3, 45, 1, "1.7500")


def test_a_name_that_a_spreadsheet_would_compute_is_marked() -> None:
    ended("+SUM(A1)", "large", cost_micro=0)
    ended("@ann", "large", cost_micro=0)
    assert [line.partition(",")[0] for line in said("--by", "user", "--csv")[1:]] == ["'+SUM(A1)", "'@ann"]
