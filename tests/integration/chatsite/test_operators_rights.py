"""Who may see and order what: each page and each order, with and without its permission, asked and sent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from chatsite.dashboard import audit
from chatsite.dashboard.orders import ORDERS
from streaming import steering, wake_ups
from streaming.lane_values import Ticket
from streaming.models import Generation, Lane
from tests.engine import SETTINGS
from tests.integration.chatsite.operators_bed import (
    LANE,
    MODELS,
    PERMISSIONS,
    SECRET,
    WORKER,
    a_worker,
    an_answer,
    path,
    staff,
)
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

#: Written out, not read from the code: a change of either is a change of rights.
NEEDS = {
    "stop-answer": "stop_answers",
    "stop-person": "stop_answers",
    "stop-lane": "stop_answers",
    "repeat-answer": "stop_answers",
    "read-answer": "view_text",
    "pause-lane": "change_limits",
    "drain-lane": "change_limits",
    "resume-lane": "change_limits",
    "drain-worker": "change_limits",
    "resume-worker": "change_limits",
}
PAGES = ("/admin/dashboard/", "/admin/dashboard/?part", "/admin/dashboard/outcomes.csv", "/admin/answers/",
         "/admin/answers/?part", "/admin/lanes/", "/admin/lanes/?part", "/admin/workers/", "/admin/workers/?part",
         "/admin/streaming/generation/", "/admin/streaming/lane/")  # fmt: skip
each_order = pytest.mark.parametrize("order", NEEDS)


@pytest.fixture(autouse=True)
def site(settings: Any, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STREAMING = SETTINGS | {
        "redis_url": valkey.url, "models": MODELS, "prompt_builder": "chat.prompts.build_prompt",
        "on_ended": "chat.services.generation_ended",
    }  # fmt: skip
    monkeypatch.setattr(wake_ups, "send", to_nobody)
    monkeypatch.setattr(wake_ups, "letter", lambda lane: None)
    a_worker(valkey.url)


async def to_nobody(tickets: Sequence[Ticket]) -> None:
    """No worker is there."""


@pytest.fixture
def answer() -> Generation:
    return an_answer()


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reached the engine."""
    seen: list[str] = []
    for name in ("stop", "hold", "release", "order_worker"):
        real = getattr(steering, name)

        def noted(*args: Any, name: str = name, real: Any = real, **more: Any) -> Any:
            seen.append(name)
            return real(*args, **more)

        monkeypatch.setattr(steering, name, noted)
    return seen


def test_every_order_is_in_the_matrix() -> None:
    assert {name: order.permission.removeprefix("streaming.") for name, order in ORDERS.items()} == NEEDS


@each_order
def test_without_its_permission_an_order_is_neither_shown_nor_taken(
    answer: Generation, effects: list[str], order: str
) -> None:
    client = staff(*(name for name in PERMISSIONS if name != NEEDS[order]))
    assert client.get(path(order, answer)).status_code == 403
    assert not LogEntry.objects.exists(), "to open the address orders nothing"
    assert client.post(path(order, answer), {"why": "because"}).status_code == 403
    pages = "".join(client.get(page).text for page in ("/admin/answers/", "/admin/lanes/", "/admin/workers/"))
    assert f"/admin/order/{order}/" not in pages
    assert effects == []
    entry = LogEntry.objects.get()
    assert entry.change_message == f"Refused, no permission: {order}"
    assert entry.user_id == int(client.session["_auth_user_id"])
    assert entry.object_id == path(order, answer).split("/")[-2]


def test_attempts_leave_a_bounded_number_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    client, other = staff(), staff()
    monkeypatch.setattr(audit, "REFUSALS_MAX", 3)

    def attempt(client: Client, target: str) -> list[str]:
        assert client.post(f"/admin/order/stop-lane/{target}/", {"why": "because"}).status_code == 403
        return list(LogEntry.objects.order_by("pk").values_list("object_id", flat=True))

    assert attempt(client, "one") == ["one"]
    assert attempt(client, "one") == ["one"], "the same once more"
    attempt(client, "x" * 1000)
    attempt(client, "three")
    assert attempt(client, "four") == ["one", "x" * 200, "three"]
    assert "the last one" in LogEntry.objects.latest("pk").change_message
    assert attempt(other, "four")[-1] == "four", "everybody has a number of their own"
    LogEntry.objects.update(action_time=timezone.now() - audit.REFUSALS_PERIOD)
    assert len(attempt(client, "one")) == 5, "and a new one after a while"


@each_order
def test_with_its_permission_alone_it_is_confirmed_first_and_written_down(
    answer: Generation, effects: list[str], order: str
) -> None:
    client = staff(NEEDS[order])
    page = client.get(path(order, answer))
    assert page.status_code == 200
    assert "csrfmiddlewaretoken" in page.text
    assert SECRET not in page.text
    assert effects == []
    assert not LogEntry.objects.exists()
    assert client.post(path(order, answer), {"why": ""}).status_code == 200, "it asks why"
    assert not LogEntry.objects.exists()
    assert client.post(path(order, answer), {"why": "because"}).status_code == 302
    entry = LogEntry.objects.earliest("pk")
    assert entry.change_message.endswith(": because")
    assert entry.user_id == int(client.session["_auth_user_id"])
    assert entry.object_repr


def test_what_was_ordered_in_vain_is_written_down_as_well(answer: Generation) -> None:
    staff("stop_answers").post(path("repeat-answer", answer), {"why": "it failed"})
    said = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    assert said[0] == "Asked again: it failed"
    assert said[1].startswith("Not carried out: ")
    assert "still" in said[1], "an answer that runs is not asked again"


@each_order
def test_a_forged_form_is_refused(answer: Generation, effects: list[str], order: str) -> None:
    client = staff(*PERMISSIONS, check_csrf=True)
    assert client.post(path(order, answer), {"why": "because"}).status_code == 403
    assert effects == []
    assert not LogEntry.objects.exists()


@each_order
def test_people_who_are_not_staff_are_asked_to_log_in(answer: Generation, effects: list[str], order: str) -> None:
    client = Client()
    client.force_login(answer.user)
    for reply in (client.get(path(order, answer)), client.post(path(order, answer), {"why": "because"})):
        assert reply.status_code == 302
        assert "login" in reply.headers["Location"]
    assert effects == []


@each_order
def test_what_does_not_exist_is_not_found(order: str) -> None:
    client = staff(*PERMISSIONS)
    for target in ("nonsense", "00000000-0000-4000-8000-000000000000", "4711"):
        assert client.post(f"/admin/order/{order}/{target}/", {"why": "because"}).status_code == 404
    assert client.get("/admin/order/unheard-of/1/").status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_numbers_need_their_permission(answer: Generation, page: str) -> None:
    assert staff("view_text", "stop_answers").get(page).status_code == 403
    shown = staff("view_numbers").get(page)
    assert shown.status_code == 200
    assert SECRET not in shown.text
    assert Client().get(page).status_code == 302


def test_the_menu_leads_only_where_one_may_go(answer: Generation) -> None:
    menu = staff().get("/admin/").text
    assert not re.search(r"/admin/(dashboard|answers|lanes|workers)/", menu)
    assert "/admin/dashboard/" in staff("view_numbers").get("/admin/streaming/generation/").text


def test_administration_begins_with_the_dashboard_for_whoever_may_see_it() -> None:
    assert staff("view_numbers").get("/admin/").headers["Location"] == "/admin/dashboard/"
    assert staff().get("/admin/").status_code == 200
    assert Client().get("/admin/").headers["Location"].startswith("/admin/login/")


def test_text_is_read_only_with_a_pass_of_ones_own(answer: Generation) -> None:
    client = staff("view_text")
    assert client.get(f"/admin/answers/{answer.pk}/").status_code == 403
    address = client.post(path("read-answer", answer), {"why": "a complaint"}).headers["Location"]
    assert SECRET in client.get(address).text
    assert SECRET in client.get(f"{address}&part").text
    assert staff(*PERMISSIONS).get(address).status_code == 403, "it was given to somebody else"
    other = Generation.objects.create(
        user=answer.user, model="tea", wake_at=answer.wake_at, deadline_at=answer.deadline_at
    )
    assert client.get(address.replace(str(answer.pk), str(other.pk))).status_code == 403
    client.logout()
    assert client.get(address).status_code == 302


def test_the_row_of_an_answer_never_shows_its_text(answer: Generation) -> None:
    client = staff(*PERMISSIONS)
    page = client.get(f"/admin/streaming/generation/{answer.pk}/change/")
    assert page.status_code == 200
    assert SECRET not in page.text


@pytest.mark.parametrize("url", ["/admin/streaming/generation/{}/change/", "/admin/streaming/generation/{}/delete/"])
def test_nobody_changes_the_rows_of_answers(answer: Generation, url: str) -> None:
    client = staff(*PERMISSIONS)
    assert client.post(url.format(answer.pk), {"status": "completed", "post": "yes"}).status_code == 403
    assert client.get("/admin/streaming/generation/add/").status_code == 403


def test_limits_are_changed_only_with_their_permission(answer: Generation) -> None:
    url = f"/admin/streaming/lane/{LANE}/change/"
    looks = staff("view_numbers")
    assert looks.get(url).status_code == 200
    assert looks.post(url, {"concurrency": "1"}).status_code == 403
    assert Lane.objects.get(pk=LANE).concurrency is None


def test_the_audit_trail_is_shown_and_changed_by_nobody(answer: Generation) -> None:
    staff("change_limits").post(path("drain-worker", answer), {"why": "a new kernel"})
    from django.contrib.auth.models import User

    root = Client()
    root.force_login(User.objects.create_superuser("root"))
    page = root.get("/admin/admin/logentry/").text
    assert "a new kernel" in page
    assert WORKER in page
    entry = LogEntry.objects.get()
    assert root.post(f"/admin/admin/logentry/{entry.pk}/change/", {"change_message": "nothing"}).status_code == 403
    assert root.post(f"/admin/admin/logentry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_list_of_answers_says_their_states_in_the_readers_language(answer: Generation) -> None:
    for status, words in (("queued", "wartet"), ("streaming", "läuft"), ("interrupted", "abgebrochen")):
        Generation.objects.filter(pk=answer.pk).update(status=status)
        page = staff("view_numbers").get("/admin/streaming/generation/", headers={"accept-language": "de"}).text
        assert str(answer.pk)[:8] in page
        assert words in page
        assert f">{status}<" not in page.split("result_list")[-1]
