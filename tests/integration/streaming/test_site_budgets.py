"""What everybody may use together, and what may be spent in money."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from streaming import budget_limits, budgets, prices
from streaming.budgets import Amount
from streaming.errors import Refused
from streaming.models import Attempt, Generation, SiteSpend, TokenBudget, TokenReservation, TokenSpend
from tests.engine import SETTINGS as ENGINE
from tests.engine import create_row

pytestmark = pytest.mark.django_db
MODEL = {
    "alias": "scripted", "label": "Scripted", "provider": "demo", "model": "scripted", "max_tokens": 100,
    "price": {"input": 1000, "output": 2000},
}  # fmt: skip
SETTINGS = ENGINE | {"models": (MODEL,)}
EVENING = datetime(2026, 11, 30, 21, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def evening(monkeypatch: pytest.MonkeyPatch) -> None:
    prices.forget()
    monkeypatch.setattr(timezone, "now", lambda: EVENING)


def reserve(tokens: int, micro: int = 0, user: str = "ann") -> Generation:
    owner = get_user_model().objects.get_or_create(username=user)[0]
    row = Generation.objects.get(pk=create_row())
    Generation.objects.filter(pk=row.pk).update(user=owner)
    budgets.keep(budgets.reserve(owner.pk, Amount(tokens, micro)), row.pk)
    row.refresh_from_db()
    return row


def use(row: Generation, tokens: int, micro: int | None) -> None:
    Attempt.objects.create(
        generation=row, number=1, worker="w", user_id=row.user_id, ended_at=EVENING, output_tokens=tokens,
        cost_micro=micro,
    )  # fmt: skip
    budgets.settle(row.pk)


def site() -> dict[str, tuple[int, int, int, int]]:
    rows = SiteSpend.objects.all()
    return {row.period: (row.reserved, row.used, row.reserved_micro, row.used_micro) for row in rows}


def test_everybody_together_is_refused_at_the_sites_limit(settings: Any) -> None:
    settings.STREAMING = SETTINGS | {"site_tokens_per_day": 1000}
    first = reserve(600, user="ann")
    with pytest.raises(Refused, match="everybody here together has for today, 400 are left") as refused:
        reserve(500, user="bob")
    assert (refused.value.code, refused.value.retryable) == ("site_budget_spent", True)
    reserve(400, user="bob")
    use(first, 50, None)
    assert site() == {"2026-11-30": (400, 50, 0, 0), "2026-11": (400, 50, 0, 0)}
    assert not TokenReservation.objects.filter(pk=first.pk).exists()
    reserve(550, user="bob")


def test_a_refusal_by_the_site_leaves_the_persons_own_as_they_were(settings: Any) -> None:
    settings.STREAMING = SETTINGS | {"site_tokens_per_day": 1000, "user_tokens_per_day": 5000}
    reserve(600)
    with pytest.raises(Refused, match="everybody"):
        reserve(600)
    assert TokenSpend.objects.get(period="2026-11-30").reserved == 600


def test_without_a_site_budget_its_rows_are_not_touched(settings: Any) -> None:
    settings.STREAMING = SETTINGS | {"user_tokens_per_day": 5000}
    use(reserve(600), 5, None)
    assert site() == {}


def test_money_is_held_and_booked(settings: Any) -> None:
    settings.STREAMING = SETTINGS | {"user_cost_per_day": "1.50"}
    row = reserve(10, 900_000)
    with pytest.raises(Refused, match=r"Of your \$1.50 for today, \$0.60 are left. \$0.90 are held") as refused:
        reserve(10, 600_001)
    assert refused.value.code == "budget_spent"
    use(row, 10, 100_000)
    reserve(10, 1_400_000)
    with pytest.raises(Refused, match=r"\$0.00 are left"):
        reserve(10, 1)
    with pytest.raises(Refused, match=r"your whole budget for today is \$1.50"):
        reserve(10, 1_500_001)


def test_the_most_that_a_question_may_cost_is_held(settings: Any) -> None:
    settings.STREAMING = SETTINGS | {"user_cost_per_day": 1}
    from streaming import providers

    entry = providers.find("scripted")
    assert budgets.most_of(entry, 100) == Amount(250, 150 * 1000 + 100 * 2000)


def test_what_has_no_price_costs_no_money_and_its_tokens_count_all_the_same(settings: Any) -> None:
    unpriced = {name: value for name, value in MODEL.items() if name != "price"}
    settings.STREAMING = SETTINGS | {"models": (unpriced,), "site_cost_per_month": 1, "site_tokens_per_day": 1000}
    from streaming import providers

    assert budgets.most_of(providers.find("scripted"), 100) == Amount(250, 0)
    use(reserve(250), 20, None)
    assert site()["2026-11"] == (0, 20, 0, 0)


def test_a_site_budget_that_begins_in_mid_month_counts_what_was_used_before(settings: Any) -> None:
    row = Generation.objects.get(pk=create_row())
    Attempt.objects.create(
        generation=row, number=1, worker="w", ended_at=EVENING, input_tokens=300, output_tokens=400, cost_micro=7
    )
    settings.STREAMING = SETTINGS | {"site_tokens_per_month": 1000}
    with pytest.raises(Refused, match="300 are left"):
        reserve(301)
    reserve(300)
    assert site()["2026-11"] == (300, 700, 0, 7)


def test_a_site_budget_that_is_withdrawn_gives_back_what_was_held(settings: Any) -> None:
    settings.STREAMING = SETTINGS | {"site_tokens_per_day": 1000}
    row = reserve(600)
    settings.STREAMING = SETTINGS
    use(row, 10, None)
    assert site()["2026-11-30"] == (0, 10, 0, 0)


def test_people_are_told_from_four_fifths_on(settings: Any) -> None:
    settings.STREAMING = SETTINGS | {"user_tokens_per_day": 1000, "site_cost_per_month": 10}
    row = reserve(799, 7_900_000)
    shares = budget_limits.shares_of(row.user_id)
    assert budget_limits.short_shares(shares) == []
    assert [share.unit for share in budget_limits.short_shares(shares, tokens=1)] == ["tokens"]
    assert [share.unit for share in budget_limits.short_shares(shares, micro=100_000)] == ["micro"]
    reserve(1, 100_000)
    day, month = budget_limits.short_shares(budget_limits.shares_of(row.user_id))
    assert (day.unit, day.whole, day.reserved, day.left, day.percent, day.is_site) == (
        "tokens", 1000, 800, 200, 80, False,
    )  # fmt: skip
    assert (month.unit, month.percent, month.is_site) == ("micro", 80, True)
    assert [share.unit for share in budget_limits.site_shares()] == ["micro"]


def test_shares_are_of_what_limits_the_person(settings: Any) -> None:
    settings.STREAMING = SETTINGS
    row = Generation.objects.get(pk=create_row())
    assert budget_limits.shares_of(row.user_id) == []
    TokenBudget.objects.create(user_id=row.user_id, cost_per_month="2.50")
    (share,) = budget_limits.shares_of(row.user_id)
    assert (share.unit, share.whole, share.used, share.left, str(share.limit.words)) == (
        "micro", 2_500_000, 0, 2_500_000, "this month",
    )  # fmt: skip
