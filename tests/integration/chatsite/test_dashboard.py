"""The dashboard shows what the rollups hold, in ten queries at most, and what lives."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.models import Rating
from streaming import rollups
from streaming.models import Announcement, Attempt, Generation, LoadRollup
from tests.engine import SETTINGS
from tests.integration.chatsite.operators_bed import LANE, MODELS, a_worker, an_answer
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)
ATTEMPTS = (
    # outcome, waited, hand-off, provider, first text, input, output, cost
    ("completed", 1000, 5, 400, 1405, 100, 50, 2_000_000),
    ("completed", 3000, 5, 400, 3405, 300, 150, 6_000_000),
    ("failed", 0, 5, None, None, 10, 0, None),
)


@pytest.fixture(autouse=True)
def site(settings: Any, valkey: Valkey) -> None:
    settings.STREAMING = SETTINGS | {
        "redis_url": valkey.url, "models": MODELS, "prompt_builder": "chat.prompts.build_prompt",
        "on_ended": "chat.services.generation_ended",
    }  # fmt: skip
    a_worker(valkey.url)
    cache.clear()


@pytest.fixture
def operator() -> Client:
    person = User.objects.create_user("operator", is_staff=True)
    person.groups.add(Group.objects.get(name="Operators"))
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def past() -> None:
    bob, now = User.objects.create_user("bob"), timezone.now()
    names = (
        "outcome",
        "waited_ms",
        "handoff_ms",
        "provider_ms",
        "ttft_ms",
        "input_tokens",
        "output_tokens",
        "cost_micro",
    )
    for values in ATTEMPTS:
        fields = dict(zip(names, values, strict=True))
        Attempt.objects.create(number=1, user=bob, model="tea", provider="demo", lane=LANE, worker="w",
                               ended_at=now - timedelta(minutes=2), **fields)  # fmt: skip
    rollups.roll_up()
    start = rollups.floor(now - timedelta(minutes=2), 60)
    for span_s in (60, 3600):
        LoadRollup.objects.update_or_create(
            start=rollups.floor(start, span_s), span_s=span_s, lane="", defaults={"peak_waiting": 7, "resumes": 3}
        )
    for actual_s in (4.0, 9.0):
        Announcement.objects.create(
            lane=LANE, generation_id="0" * 32, announced_at=now, p50_s=3, p90_s=5, actual_s=actual_s
        )


def table(client: Client, key: str, span: str = "1h") -> list[dict[str, str]]:
    answer = client.get(f"/admin/dashboard/{key}.csv?span={span}")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{key}-{span}.csv"'
    return list(csv.DictReader(io.StringIO(answer.text)))


def added_up(client: Client, key: str, column: str, span: str) -> float:
    return sum(float(row[column]) for row in table(client, key, span) if row[column])


@pytest.mark.parametrize("span", ["1h", "24h", "7d"])
def test_each_chart_holds_what_was_added_up(operator: Client, past: None, span: str) -> None:
    assert added_up(operator, "outcomes", "completed", span) == 2
    assert added_up(operator, "outcomes", "failed", span) == 1
    assert added_up(operator, "queue", "waiting at most", span) == 7
    assert added_up(operator, "delivery", "resumed", span) == 3
    (tea,) = table(operator, "tokens-by-model", span)
    assert (tea["Model"], tea["input tokens"], tea["output tokens"]) == ("tea", "410", "200")
    (bob,) = table(operator, "cost-by-person", span)
    assert (bob["Person"], float(bob["cost, US dollars"])) == ("bob", 8.0)
    (row,) = [row for row in table(operator, "first-text-parts", span) if row["provider p50"]]
    assert 0.25 < float(row["provider p50"]) <= 0.5
    assert float(row["hand-off p99"]) <= 0.005
    (row,) = [row for row in table(operator, "first-text", span) if row["p99"]]
    assert 2.5 < float(row["p99"]) <= 5


def test_how_honest_the_announced_waits_were(operator: Client, past: None) -> None:
    (lane,) = table(operator, "estimates")
    assert (lane["Lane"], lane["kept, per cent"], lane["goal, per cent"]) == ("Tea", "50.0", "85")
    assert (lane["mean error, seconds"], lane["announced waits"]) == ("3.5", "2")


def test_what_people_thought_of_answers(operator: Client, past: None) -> None:
    now = timezone.now()
    rated = [("tea", True, 5), ("tea", True, 5), ("tea", False, 5), ("coffee", False, 5), ("tea", True, 100 * 24 * 60)]
    for number, (model, is_good, minutes) in enumerate(rated):
        person = User.objects.create_user(f"rater{number}")
        Rating.objects.create(user=person, model=model, is_good=is_good, rated_at=now - timedelta(minutes=minutes))
    for span in ("1h", "24h", "7d"):
        rows = [(row["Model"], row["good"], row["bad"]) for row in table(operator, "ratings", span)]
        assert rows == [("tea", "2", "1"), ("coffee", "0", "1")]
        page = operator.get(f"/admin/ratings/?span={span}").text
        assert "What people thought of answers" in page
        assert "/admin/dashboard/ratings.csv" in page
    assert len(tiles(operator, "ratings")) == 6
    assert Client().get("/admin/ratings/").status_code == 302


def test_ten_queries_are_enough(operator: Client, past: None) -> None:
    an_answer()
    for span in ("1h", "24h", "7d"):
        with CaptureQueriesContext(connection) as asked:
            assert operator.get(f"/admin/dashboard/?span={span}").status_code == 200
        sent = [query["sql"] for query in asked if not query["sql"].startswith(("BEGIN", "COMMIT", "SAVEPOINT"))]
        assert len(sent) <= 10, sent
        assert not any('FROM "streaming_attempt"' in sql for sql in sent), "the ledger itself is never read"


def test_every_chart_is_a_table_too(operator: Client, past: None) -> None:
    page = operator.get("/admin/dashboard/").text
    assert page.count("<details>") == page.count("<tbody>") >= 11
    for key in re.findall(r"/admin/dashboard/([a-z-]+)\.csv", page):
        assert table(operator, key) is not None
    assert operator.get("/admin/dashboard/nonsense.csv").status_code == 404


def tiles(client: Client, page: str = "dashboard") -> list[str]:
    return re.findall(r"<dd>(.*?)</dd>", client.get(f"/admin/{page}/?part").text)


def test_the_tiles_show_what_lives(operator: Client) -> None:
    answer = an_answer()
    now = timezone.now()
    Generation.objects.filter(pk=answer.pk).update(requested_at=now - timedelta(seconds=90))
    running, waiting, oldest, workers, sockets, tokens = tiles(operator)
    assert (running, waiting, sockets, tokens) == ("0", "1", "0", "0")
    assert oldest.startswith("1 min 3")
    assert workers == "1<small> of 1</small>"
    Generation.objects.filter(pk=answer.pk).update(status="streaming", worker="w")
    assert tiles(operator)[:3] == ["1", "0", "–"]


def test_without_redis_the_rows_are_shown_and_it_is_said(operator: Client, settings: Any) -> None:
    answer = an_answer()
    settings.STREAMING = settings.STREAMING | {"redis_url": "unix:///nowhere/valkey.sock"}
    page = operator.get("/admin/dashboard/?part").text
    assert "Redis cannot be reached" in page
    assert re.findall(r"<dd>(.*?)</dd>", page)[:2] == ["0", "1"]
    assert str(answer.pk) in operator.get("/admin/answers/").text
    assert "not known" in operator.get("/admin/lanes/").text
    assert "Redis cannot be reached" in operator.get("/admin/workers/").text
