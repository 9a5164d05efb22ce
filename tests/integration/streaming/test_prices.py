"""What tokens cost; unknown is never nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from streaming import prices
from streaming.models import PriceOverride
from streaming.providers.base import Usage

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLAUDE = {"alias": "claude", "label": "Claude", "provider": "anthropic", "model": "claude-sonnet-4-5"}
GPT = {"alias": "gpt", "label": "GPT", "provider": "openai", "model": "gpt-5"}
OWN = {"alias": "own", "label": "Own", "provider": "openai", "model": "gpt-5", "base_url": "http://127.0.0.1:9/v1"}
NEW = {"alias": "new", "label": "New", "provider": "openai", "model": "a-model-of-next-year"}
DEMO = {"alias": "demo", "label": "Demo", "provider": "demo", "model": "demo"}
FREE = DEMO | {"alias": "free", "price": {"input": 0, "output": 0}}


@pytest.fixture(autouse=True)
def models(settings: Any) -> None:
    settings.STREAMING = {"models": (CLAUDE, GPT, OWN, NEW, DEMO, FREE)}
    prices.forget()


def override(pattern: str, day: date, *per_million: str) -> None:
    read, written, *cached = (Decimal(value) for value in per_million)
    PriceOverride.objects.create(
        pattern=pattern,
        valid_from=day,
        input_per_million=read,
        output_per_million=written,
        cached_per_million=cached[0] if cached else None,
    )


def micro(alias: str, *usage: int, at: datetime = NOON) -> int | None:
    return prices.cost(alias, Usage(*usage), at).micro


def test_known_models_cost_what_the_library_says() -> None:
    cost = prices.cost("claude", Usage(1_000_000, 0), NOON)
    assert cost.micro is not None
    assert cost.micro > 1_000_000
    assert cost.source == "genai-prices anthropic/claude-sonnet-4-5"
    assert micro("gpt", 1000, 100) == 2250


def test_cached_input_costs_less() -> None:
    whole, cached = micro("claude", 1000, 0, 0), micro("claude", 1000, 0, 1000)
    assert whole is not None
    assert cached is not None
    assert 0 < cached < whole


@pytest.mark.parametrize("alias", ["own", "new", "demo", "withdrawn"])
def test_what_nobody_knows_is_unknown_and_not_nothing(alias: str) -> None:
    assert prices.cost(alias, Usage(1000, 100), NOON) == (None, "")


def test_nothing_may_be_a_price_of_the_sites_own() -> None:
    assert prices.cost("free", Usage(1000, 100), NOON) == (0, "settings")


def test_the_newest_override_in_force_wins() -> None:
    override("claude", date(2026, 1, 1), "1", "2")
    override("claude", date(2026, 11, 21), "10", "20")
    override("claude", date(2026, 11, 22), "100", "200")
    assert micro("claude", 10, 1) == 120
    assert micro("claude", 10, 1, at=datetime(2026, 11, 20, 23, 59, tzinfo=UTC)) == 12
    assert micro("claude", 10, 1, at=datetime(2026, 11, 22, tzinfo=UTC)) == 1200
    assert prices.cost("claude", Usage(10, 1), NOON).source == "override claude 2026-11-21"


def test_a_pattern_fits_many_and_an_exact_name_wins_over_it() -> None:
    override("*", date(2026, 11, 20), "1", "1")
    override("cl*", date(2026, 11, 1), "2", "2")
    override("demo", date(2026, 1, 1), "0", "0")
    assert (micro("own", 10, 0), micro("claude", 10, 0), micro("demo", 10, 0)) == (10, 10, 0)


def test_cached_input_of_an_override() -> None:
    override("claude", date(2026, 1, 1), "10", "1", "1")
    override("gpt", date(2026, 1, 1), "10", "1")
    assert micro("claude", 100, 0, 50) == 550
    assert micro("gpt", 100, 0, 50) == 1000


def test_half_a_millionth_is_rounded_to_the_even_one() -> None:
    override("claude", date(2026, 1, 1), "0.5", "0")
    assert [micro("claude", tokens, 0) for tokens in (1, 3, 4)] == [0, 2, 2]


def test_overrides_are_read_seldom_and_a_change_is_seen_at_once(django_assert_num_queries: Any) -> None:
    micro("gpt", 1, 1)
    with django_assert_num_queries(0):
        micro("gpt", 1, 1)
    override("gpt", date(2026, 1, 1), "7", "0")
    assert micro("gpt", 1, 0) == 7
    PriceOverride.objects.get().delete()
    assert micro("gpt", 1000, 100) == 2250
