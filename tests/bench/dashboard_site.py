"""A site with much behind it, and an operator who opens its pages (see `inside`).

fill  {attempts, live}   a database and lanes of its own → {rollups, waiting}
page  {path, times}      opens a page as often → {ms: […], queries: […]}
"""

from __future__ import annotations

import json
import random
import sys
import time
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis.asyncio import Redis

from streaming import buckets, lane_rows, lanes, redis_client, rollups
from streaming.lane_limits import LaneLimits
from streaming.lane_snapshot import Place
from streaming.lane_store import LaneStore
from streaming.lane_values import Request, Restored
from streaming.models import Announcement, Attempt, Generation, LoadRollup, UsageRollup, UserRollup
from streaming.states import Status
from tests.bench.n_dashboard import LANES

PEOPLE = 500
DAYS = 7
RUNNING = 300
LIMITS = LaneLimits(requests_per_minute=60, output_tokens_per_minute=100_000, concurrency=100)
#: Attempts as a site has them: SQLite makes a million of them itself, in seconds.
_ATTEMPTS = """
    INSERT INTO streaming_attempt (number, user_id, model, provider, lane, worker, started_at, first_text_at, ended_at,
        waited_ms, handoff_ms, provider_ms, ttft_ms, text_before, outcome, error_code, input_tokens, output_tokens,
        cached_tokens, usage_source, cost_micro, price_source, in_rollup)
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %(count)s),
    a AS (SELECT i, i %% 3 AS m, %(start)s + %(span)s * i / %(count)s AS at, abs(random()) AS r FROM n)
    SELECT 1, %(first)s + r %% %(people)s, 'model' || m, 'demo', 'lane' || m, 'worker',
        strftime('%%Y-%%m-%%d %%H:%%M:%%f', at - 20, 'unixepoch'),
        strftime('%%Y-%%m-%%d %%H:%%M:%%f', at - 15, 'unixepoch'),
        strftime('%%Y-%%m-%%d %%H:%%M:%%f', at, 'unixepoch'),
        r %% 4000, 3 + r %% 5, 300 + r %% 900, 400 + r %% 4900, 0,
        CASE WHEN r %% 50 = 0 THEN 'failed' WHEN r %% 20 = 0 THEN 'stopped' ELSE 'completed' END, '',
        200 + r %% 900, 100 + r %% 700, r %% 100, 'provider', 500 + r %% 5000, 'bench', 0
    FROM a
"""


_PEOPLE = """
    INSERT INTO streaming_userrollup (start, span_s, user_id, model, attempts, input_tokens, output_tokens,
        cached_tokens, cost_micro, unpriced)
    SELECT strftime('%Y-%m-%d %H:00:00', ended_at) AS hour, 3600, user_id, model, count(*), sum(input_tokens),
        sum(output_tokens), sum(cached_tokens), sum(cost_micro), 0
    FROM streaming_attempt GROUP BY hour, user_id, model
"""


class Site:
    def fill(self, attempts: int, live: int) -> dict[str, Any]:
        call_command("migrate", verbosity=0)
        people = User.objects.bulk_create(User(username=f"user{n}") for n in range(PEOPLE))
        self._make_attempts(attempts, people[0].pk)
        self._add_up()
        self._make_load()
        rows = _live_rows(live, [person.pk for person in people])
        Generation.objects.bulk_create(rows, batch_size=500)
        lane_rows.settings_of(lanes.names())
        waiting = redis_client.ask(lambda client: _fill_lanes(client, rows), 300.0)
        self._client = _operator()
        made = sum(model.objects.count() for model in (UsageRollup, UserRollup, LoadRollup))
        return {"rollups": made, "waiting": waiting}

    def _make_attempts(self, count: int, first: int) -> None:
        span_s = DAYS * 86_400
        numbers = {"count": count, "start": int(time.time()) - span_s, "span": span_s, "first": first, "people": PEOPLE}
        with connection.cursor() as cursor, transaction.atomic():
            cursor.execute(_ATTEMPTS % numbers)
        assert Attempt.objects.count() == count

    def _add_up(self) -> None:
        """Rows of the number and shape that `rollups.roll_up` makes of so many attempts: it takes minutes for them, and
        is no part of what is measured."""
        now, dice = timezone.now(), random.Random(4)
        for span_s, slots in ((60, DAYS * 1440), (3600, DAYS * 24)):
            starts = [rollups.floor(now - timedelta(seconds=span_s * n), span_s) for n in range(slots)]
            rows = (_rollup(start, span_s, n, dice) for start in starts for n in range(LANES))
            UsageRollup.objects.bulk_create(rows, batch_size=1000)
        with connection.cursor() as cursor:
            cursor.execute(_PEOPLE)
            cursor.execute("UPDATE streaming_attempt SET in_rollup = 1")

    def _make_load(self) -> None:
        now = timezone.now()
        for span_s, slots in ((60, DAYS * 1440), (3600, DAYS * 24)):
            starts = (rollups.floor(now - timedelta(seconds=span_s * n), span_s) for n in range(slots))
            LoadRollup.objects.bulk_create(
                LoadRollup(start=start, span_s=span_s, peak_running=200, peak_waiting=90, resumes=3) for start in starts
            )
        told = {"generation_id": uuid.uuid4(), "p50_s": 10, "p90_s": 20, "actual_s": 12}
        Announcement.objects.bulk_create(
            Announcement(lane=f"lane{n % LANES}", announced_at=now - timedelta(seconds=20 * n), **told)
            for n in range(30_000)
        )

    def page(self, path: str, times: int) -> dict[str, Any]:
        ms, queries = list[float](), list[int]()
        for _ in range(times):
            began = time.perf_counter()
            answer = self._client.get(path)
            ms.append(1000 * (time.perf_counter() - began))
            assert answer.status_code == 200, answer.status_code
        with CaptureQueriesContext(connection) as asked:  # apart: noting them takes time
            self._client.get(path)
        queries.append(sum(not query["sql"].startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")) for query in asked))
        return {"ms": ms, "queries": queries}


def _rollup(start: datetime, span_s: int, n: int, dice: random.Random) -> UsageRollup:
    waits = {name: buckets.empty() for name in rollups.WAITS}
    for histogram in waits.values():
        for _ in range(8):
            histogram[dice.randrange(3, 12)] += span_s // 15
    return UsageRollup(
        start=start, span_s=span_s, model=f"model{n}", provider="demo", lane=f"lane{n}", completed=span_s // 2,
        failed=1, input_tokens=9000, output_tokens=7000, cost_micro=40_000, **waits,
    )  # fmt: skip


def _live_rows(count: int, people: list[int]) -> list[Generation]:
    dice, now = random.Random(3), timezone.now()
    rows = []
    for n in range(count):
        runs, asked = n < RUNNING, now - timedelta(seconds=dice.uniform(1, 800))
        row = Generation(
            user_id=dice.choice(people), model=f"model{n % LANES}", lane=f"lane{n % LANES}", lane_seq=n + 1, lane_tag=n,
            status=Status.STREAMING if runs else Status.QUEUED, worker="worker" if runs else "", attempt=int(runs),
            wake_at=now + timedelta(hours=1), deadline_at=now + timedelta(hours=1), text="x" * 2000 if runs else "",
        )  # fmt: skip
        row.requested_at = asked
        rows.append(row)
    return rows


async def _fill_lanes(client: Redis, rows: Iterable[Generation]) -> int:
    waiting = 0
    for n in range(LANES):
        store = LaneStore(client, f"lane{n}")
        await store.open("bench", LIMITS, 0.0)
        own = [_ticket(row) for row in rows if row.lane == store.lane]
        await store.restore("bench", own, lease_s=86_400.0)
        await store.close("bench")
        waiting += (await store.levels()).waiting
    return waiting


def _ticket(row: Generation) -> Restored:
    at_ms, runs = round(row.requested_at.timestamp() * 1000), row.status == Status.STREAMING
    request = Request(str(row.pk), str(row.user_id), 300, 500, 2800)
    place = Place(row.lane_tag or 0, row.lane_seq or 0)
    return Restored(request, runs, place, int(runs), at_ms, at_ms)


def _operator() -> Client:
    person = User.objects.create_user("operator", is_staff=True)
    person.groups.add(Group.objects.get(name="Operators"))
    client = Client(headers={"host": "localhost"})
    client.force_login(person)
    return client


def serve() -> None:
    site = Site()
    for line in sys.stdin:
        told = json.loads(line)
        work = {"fill": site.fill, "page": site.page}[told.pop("do")]
        print(json.dumps(work(**told)), flush=True)
