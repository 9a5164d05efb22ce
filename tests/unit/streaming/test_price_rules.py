"""What a price in the settings may be."""

from __future__ import annotations

from typing import Any

import pytest

from streaming.price_rules import check_price


def test_numbers_and_words_for_numbers_will_do() -> None:
    check_price({"input": "3", "output": 15, "cached": "0.3"})
    check_price({"input": 0, "output": 0})


@pytest.mark.parametrize(
    "price", [{"input": 1}, {"input": 1, "output": -1}, {"input": 1, "output": "x"}, {"input": 1, "output": 1, "in": 1}]
)
def test_an_impossible_price_is_refused_in_words(price: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="price"):
        check_price(price)
