"""What an operator should know about a site that does not work: `manage.py doctor` asks all of it, one at a time.

Each look returns findings and raises nothing that it can tell; whatever it does raise becomes a finding as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from streaming import conf, health, prices, providers, redis_client, wake_ups, workers_now
from streaming.providers.base import Usage

Verdict = Literal["ok", "warning", "error"]
CLOCKS_APART_MAX_S: Final = 1.0
BROKER_WITHIN_S: Final = 3.0
MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One line; `advice` is one more, if there is something to do."""

    about: str
    verdict: Verdict
    sentence: str
    advice: str = ""


def database() -> list[Finding]:
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    took_ms = (time.perf_counter() - began) * 1000
    found = [Finding("database", "ok", f"{connection.vendor} answers after {took_ms:.0f} ms.")]
    plan = MigrationExecutor(connection).migration_plan(MigrationExecutor(connection).loader.graph.leaf_nodes())
    if plan:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan[:3])
        words = f"{len(plan)} are not applied: {names}{' …' if len(plan) > 3 else ''}."
        return [*found, Finding("migrations", "error", words, "Run `python manage.py migrate`.")]
    return [*found, Finding("migrations", "ok", "All are applied.")]


async def redis() -> list[Finding]:
    await health.redis_answers()
    info = await redis_client.get().info("server")
    name = info.get("server_name", "redis")
    version = info.get(f"{name}_version", info.get("redis_version", "?"))
    return [Finding("valkey", "ok", f"{name} {version} answers."), *await _redis_settings()]


async def _redis_settings() -> list[Finding]:
    try:
        said = await redis_client.get().config_get("maxmemory-policy", "appendonly", "save")
    except Exception as refused:
        words = f"Its settings cannot be read ({type(refused).__name__})."
        return [Finding("eviction", "warning", words, "See yourself that maxmemory-policy is noeviction.")]
    policy = said.get("maxmemory-policy", "")
    found = [Finding("eviction", "ok", "Nothing is evicted.")]
    if policy != "noeviction":
        advice = "Set `maxmemory-policy noeviction`: a key that is thrown away is a stream or a queue that is lost."
        found = [Finding("eviction", "error", f"The eviction policy is {policy}.", advice)]
    if said.get("appendonly") == "yes" or said.get("save"):
        return [*found, Finding("persistence", "ok", "It keeps a file.")]
    advice = "Set `appendonly yes`: accepted questions survive anyway, but running answers lose their newest text."
    return [*found, Finding("persistence", "warning", "It keeps nothing on disk.", advice)]


async def layer() -> list[Finding]:
    began = time.perf_counter()
    await health.LayerProbe()()
    return [Finding("channel layer", "ok", f"A message came back after {(time.perf_counter() - began) * 1000:.0f} ms.")]


def broker() -> list[Finding]:
    wake_ups.check_broker(BROKER_WITHIN_S)
    return [Finding("broker", "ok", "Celery's broker answers.")]


async def workers() -> list[Finding]:
    alive = await workers_now.workers_now(redis_client.get())
    if not alive:
        advice = "Start one: `celery -A chatsite worker -P threads -c 500`. Until then accepted questions wait."
        return [Finding("workers", "error", "No worker is alive.", advice)]
    runs, room = sum(worker.runs for worker in alive), sum(worker.slots_max for worker in alive)
    words = f"{len(alive)} alive, {runs} of {room} places taken, last heard {min(w.beat_s for w in alive):.0f} s ago."
    releases = {worker.version for worker in alive}
    if len(releases) > 1:
        advice = "Finish the roll-out: old and new workers were never tested side by side."
        return [Finding("workers", "warning", f"{words} They are of {len(releases)} releases.", advice)]
    return [Finding("workers", "ok", words)]


async def clock() -> list[Finding]:
    seconds, micro = await redis_client.get().time()
    apart_s = abs(time.time() - seconds - micro / MILLION)
    if apart_s > CLOCKS_APART_MAX_S:
        advice = "Run NTP on both machines: waits and deadlines are compared across them."
        return [Finding("clock", "warning", f"Valkey's clock is {apart_s:.1f} s apart from ours.", advice)]
    return [Finding("clock", "ok", "Valkey's clock agrees with ours.")]


def models() -> list[Finding]:
    entries = providers.catalogue()
    usable = [entry for entry in entries if not entry.unavailable]
    if not usable:
        advice = "Set ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENAI_BASE_URL, or DEMO_MODEL=1."
        return [Finding("models", "error", "None can be used: no provider key is set.", advice)]
    found = [Finding("models", "ok", f"{', '.join(entry.alias for entry in usable)} can be used.")]
    for reason in sorted({entry.unavailable for entry in entries if entry.unavailable}):
        names = ", ".join(entry.alias for entry in entries if entry.unavailable == reason)
        found.append(Finding("models", "warning", f"{names}: {reason}", "Set it, or leave those models out."))
    return [*found, *_unpriced([entry.alias for entry in usable])]


def _unpriced(aliases: list[str]) -> list[Finding]:
    """Only where money is limited: what has no price is not held back by it."""
    settings = conf.get()
    names = [f"{whose}_cost_per_{period}" for whose in ("user", "site") for period in ("day", "month")]
    if not any(getattr(settings, name) for name in names):
        return []
    from django.utils import timezone

    unknown = [alias for alias in aliases if prices.cost(alias, Usage(1, 1), timezone.now()).micro is None]
    if not unknown:
        return []
    advice = "Add a price override in the admin: their answers do not count against budgets in money."
    return [Finding("prices", "warning", f"Not known of {', '.join(unknown)}.", advice)]


Look = Callable[[], Any]
#: In the order of asking. `valkey` and `database` first: the others need them.
LOOKS: Final[tuple[tuple[str, Look, str], ...]] = (
    ("database", database, "Is DATABASE_URL right, and the server running?"),
    ("valkey", redis, "Is REDIS_URL right, and the server running?"),
    ("channel layer", layer, "It is the same Valkey: see above."),
    ("broker", broker, "Is CELERY_BROKER_URL right, and the server running?"),
    ("workers", workers, "It needs Valkey: see above."),
    ("clock", clock, "It needs Valkey: see above."),
    ("models", models, "Correct STREAMING['models']; `python manage.py check` says more."),
)
