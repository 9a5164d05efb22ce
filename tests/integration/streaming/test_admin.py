"""Lanes and budgets in the admin."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone
from redis.asyncio import Redis

from streaming import dispatcher, lanes, steering, wake_ups
from streaming.lane_limits import LaneLimits
from streaming.lane_values import Penalty, Ticket
from streaming.models import Announcement, Lane, TokenBudget, TokenSpend
from tests.engine import SETTINGS
from tests.integration.streaming.lane_bed import LaneBed
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)
T = TypeVar("T")
MODELS = ({"alias": "tea", "label": "Tea", "provider": "demo", "model": "tea", "lane": "kitchen"},)
URL = "/admin/streaming/lane/kitchen/change/"
FORM = {
    "requests_per_minute": "", "input_tokens_per_minute": "", "output_tokens_per_minute": "", "charge": "as_produced",
    "concurrency": "", "user_concurrency": "", "user_queue": "", "queue_max": "", "burst_s": "10", "pace": "0.98",
    "ramp_start": "1", "adopt_higher": "on", "handoff_s": "5", "why": "a test",
}  # fmt: skip


@pytest.fixture(autouse=True)
def site(settings: Any, valkey: Valkey) -> None:
    settings.STREAMING = SETTINGS | {"redis_url": valkey.url, "models": MODELS}


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root"))
    return client


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tickets whose Celery message was sent."""
    ids: list[str] = []

    async def start(tickets: Iterable[Ticket]) -> None:
        ids.extend(ticket.generation_id for ticket in tickets)

    monkeypatch.setattr(dispatcher, "start", start)
    monkeypatch.setattr(wake_ups, "letter", lambda lane: None)
    return ids


def in_kitchen(valkey: Valkey, work: Callable[[LaneBed], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Redis.from_url(valkey.url) as client:
            return await work(LaneBed(client, "kitchen"))

    return asyncio.run(run())


async def one_runs_and_one_waits(lane: LaneBed) -> None:
    await lane.build(concurrency=1)
    await lane.enqueue("first")
    await lane.enqueue("second", "bob")


def test_the_list_makes_the_rows_and_shows_limits_and_how_honest_the_waits_were(admin: Client) -> None:
    for actual_s in (4.0, 9.0):
        Announcement.objects.create(
            lane="kitchen", generation_id="0" * 32, announced_at=timezone.now(), p50_s=3, p90_s=5, actual_s=actual_s
        )
    page = admin.get("/admin/streaming/lane/")
    assert Lane.objects.get().limits() == lanes.configured("kitchen")
    Lane.objects.update(requests_per_minute=50, concurrency=3, blocked_reason="The account is empty.")
    page = admin.get("/admin/streaming/lane/")
    for words in (
        "<code>kitchen</code>",
        "Tea",
        "50 requests",
        "3 (—)",
        "The account is empty.",
        "2 in 7 days: 50% within the promise",
    ):
        assert words in page.text


def test_the_form_explains_each_limit(admin: Client) -> None:
    admin.get("/admin/streaming/lane/")
    page = admin.get(URL)
    assert "Answers that may be written at the same time." in page.text
    assert "in seconds of the rates above" in page.text
    assert "in Sekunden der Raten oben" in admin.get(URL, headers={"accept-language": "de"}).text
    assert re.search(r'<input[^>]*name="why"[^>]*class="[^"]*border', page.text), "a field that can be seen"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("concurrency", "0", "This must be a whole number from 1 to 100000 or none, not 0."),
        ("pace", "2", "This must be a number from 0.1 to 1, not 2.0."),
        ("requests_per_minute", "nan", "Enter a number."),
        ("handoff_s", "", "This field is required."),
    ],
)
def test_what_makes_no_sense_is_not_saved(admin: Client, name: str, value: str, sentence: str) -> None:
    admin.get("/admin/streaming/lane/")
    page = admin.post(URL, FORM | {name: value})
    assert page.status_code == 200
    assert sentence in page.text


def test_what_is_saved_is_in_force_at_once(admin: Client, valkey: Valkey, started: list[str]) -> None:
    admin.get("/admin/streaming/lane/")
    in_kitchen(valkey, one_runs_and_one_waits)
    page = admin.post(URL, FORM | {"concurrency": "2"}, follow=True)
    assert "was changed successfully" in page.text
    assert "cannot be reached" not in page.text
    assert Lane.objects.get().limits() == LaneLimits(
        concurrency=2, user_concurrency=None, user_queue=None, queue_max=None
    )
    assert started == ["second"]
    said = LogEntry.objects.get().change_message
    assert "Answers at once: None → 2" in said
    assert said.endswith(": a test")


def test_without_redis_it_is_saved_and_said_that_it_takes_longer(
    admin: Client, settings: Any, started: list[str]
) -> None:
    admin.get("/admin/streaming/lane/")
    settings.STREAMING = settings.STREAMING | {"redis_url": "unix:///nowhere/valkey.sock"}
    page = admin.post(URL, FORM | {"concurrency": "2"}, follow=True)
    assert "comes into force within a second of its return" in page.text
    assert Lane.objects.get().concurrency == 2


def test_a_lane_that_is_being_rebuilt_is_the_same_as_none(admin: Client, started: list[str]) -> None:
    admin.get("/admin/streaming/lane/")
    assert "comes into force within a second" in admin.post(URL, FORM, follow=True).text


def resume(admin: Client) -> str:
    return str(admin.post("/admin/order/resume-lane/kitchen/", {"why": "paid"}, follow=True).text)


def test_a_blocked_lane_goes_on_when_an_administrator_says_so(
    admin: Client, valkey: Valkey, started: list[str]
) -> None:
    async def blocked(lane: LaneBed) -> None:
        await lane.build()
        await lane.store.block("The account is empty.")
        await lane.enqueue("first")

    admin.get("/admin/streaming/lane/")
    Lane.objects.update(blocked_reason="The account is empty.")
    in_kitchen(valkey, blocked)
    assert "The lane goes on." in resume(admin)
    assert started == ["first"]
    assert Lane.objects.get().blocked_reason == ""


@pytest.mark.parametrize("is_held", [False, True])
def test_a_pause_of_the_providers_ends_with_the_second_word_of_an_administrator_who_paused_it_too(
    admin: Client, valkey: Valkey, started: list[str], is_held: bool
) -> None:
    async def paused(lane: LaneBed) -> None:
        await lane.build()
        await lane.store.punish(Penalty("limit", wait_s=86_400.0))
        await lane.enqueue("first")

    admin.get("/admin/streaming/lane/")
    in_kitchen(valkey, paused)
    if is_held:
        steering.hold("kitchen", "pause", "They called.")
        resume(admin)
        assert started == []
    page = admin.get("/admin/lanes/").text
    assert all(order in page for order in ("resume-lane", "pause-lane", "drain-lane"))
    resume(admin)
    assert started == ["first"]


def test_a_lane_that_cannot_be_asked_stays_blocked(admin: Client) -> None:
    admin.get("/admin/streaming/lane/")
    Lane.objects.update(blocked_reason="The account is empty.")
    assert "the lane is still blocked" in resume(admin)
    assert Lane.objects.get().blocked_reason == "The account is empty."


def test_a_pause_that_cannot_be_ended_just_now_is_not_said_to_be_over(admin: Client) -> None:
    """No row has it, so nobody else will do it later."""
    admin.get("/admin/streaming/lane/")
    assert "Try again" in resume(admin)


def test_lanes_come_from_the_models_and_go_only_without_them(admin: Client) -> None:
    admin.get("/admin/streaming/lane/")
    Lane.objects.create(name="cellar")
    assert admin.get("/admin/streaming/lane/add/").status_code == 403
    assert admin.post("/admin/streaming/lane/kitchen/delete/", {"post": "yes"}).status_code == 403
    assert admin.post("/admin/streaming/lane/cellar/delete/", {"post": "yes"}).status_code == 302
    data = {"action": "delete_selected", "_selected_action": "kitchen", "post": "yes"}
    admin.post("/admin/streaming/lane/", data)
    assert list(Lane.objects.values_list("name", flat=True)) == ["kitchen"]


def test_single_people_are_given_budgets_of_their_own(admin: Client, settings: Any) -> None:
    settings.STREAMING = settings.STREAMING | {"user_tokens_per_day": 1500}
    ann = get_user_model().objects.create_user("ann")
    page = admin.get("/admin/streaming/tokenbudget/add/")
    assert "as for everybody (1,500)" in page.text
    assert "as for everybody (no limit)" in page.text
    admin.post("/admin/streaming/tokenbudget/add/", {"user": ann.pk, "tokens_per_day": "20", "tokens_per_month": ""})
    budget = TokenBudget.objects.get()
    assert (budget.user_id, budget.tokens_per_day, budget.tokens_per_month) == (ann.pk, 20, None)


def test_what_people_used_is_shown_and_cannot_be_changed(admin: Client) -> None:
    spend = TokenSpend.objects.create(user=get_user_model().objects.create_user("ann"), period="2026-11", used=4711)
    assert "4711" in admin.get("/admin/streaming/tokenspend/").text.replace(",", "")
    assert admin.post(f"/admin/streaming/tokenspend/{spend.pk}/change/", {"used": 0}).status_code == 403
