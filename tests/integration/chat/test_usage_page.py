"""Everybody sees what they used themselves, and what is left."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from streaming.models import Attempt, TokenSpend

pytestmark = pytest.mark.django_db
numbers = count(1)


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(get_user_model().objects.create_user("ann"))
    return client


def used(user: str, model: str, **columns: Any) -> None:
    owner = get_user_model().objects.get_or_create(username=user)[0]
    values = {"ended_at": timezone.now(), "input_tokens": 1000, "output_tokens": 500, "outcome": "completed"}
    Attempt.objects.create(number=next(numbers), worker="w", user=owner, model=model, **values | columns)


def spend(**columns: int) -> None:
    now, owner = timezone.now(), get_user_model().objects.get(username="ann")
    for period in (f"{now:%Y-%m-%d}", f"{now:%Y-%m}"):
        TokenSpend.objects.create(user=owner, period=period, **columns)


def page(client: Client, path: str = "/usage/") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_strangers_are_asked_to_log_in(client: Client) -> None:
    assert client.get("/usage/").status_code == 302


def test_at_first_there_is_nothing(ann: Client) -> None:
    text = page(ann)
    assert text.count("Nothing so far.") == 2
    assert "Nobody limits what you may use." in text


def test_it_shows_my_own_by_model_and_nobody_elses(ann: Client) -> None:
    used("ann", "large", cost_micro=1_234_500, cached_tokens=7)
    used("ann", "small")
    used("bob", "secret model")
    text = re.sub(r' data-label="[^"]*"', "", page(ann))  # what a phone shows instead of the table's head
    assert "secret model" not in text
    assert "<td>1,000</td><td>7</td><td>500</td><td>$1.2345</td>" in text
    assert "not known" in text
    assert "at least $1.2345" in text  # of both together
    assert text.index("large") < text.index("small")


def test_yesterday_is_not_today(ann: Client) -> None:
    used("ann", "large", ended_at=timezone.now() - timedelta(days=40))
    assert page(ann).count("Nothing so far.") == 2


def test_it_shows_what_is_left_and_when_there_is_more(ann: Client, settings: Any) -> None:
    settings.STREAMING = settings.STREAMING | {"user_tokens_per_day": 10_000, "user_cost_per_month": 5}
    spend(used=6000, reserved=1500, used_micro=1_000_000)
    text = page(ann)
    assert "You have used 75 % of your 10,000 tokens for today." in text
    assert "2,500 of 10,000 left · 1,500 held for answers that have not ended · new on " in text
    assert "You have used 20 % of your 5.00 US dollars for this month." in text
    assert "$4.00 of $5.00 left" in text
    assert "notice-warning" not in text


def test_from_four_fifths_on_every_page_says_so(ann: Client, settings: Any) -> None:
    settings.STREAMING = settings.STREAMING | {"user_tokens_per_day": 10_000}
    assert "notice-warning" not in page(ann, "/")
    spend(used=8000)
    assert "You have used 80 % of your 10,000 tokens for today." in page(ann, "/")


def test_the_pages_modules_get_the_same_sentences(ann: Client, settings: Any) -> None:
    settings.STREAMING = settings.STREAMING | {"user_tokens_per_day": 10_000}
    as_data = {"Accept": "application/json"}
    assert ann.get("/usage/", headers=as_data).json() == {"short": []}
    spend(used=8000)
    said = "You have used 80 % of your 10,000 tokens for today."
    assert ann.get("/usage/", headers=as_data).json() == {"short": [said]}


def test_the_menu_leads_there(ann: Client) -> None:
    assert 'href="/usage/"' in page(ann, "/")
