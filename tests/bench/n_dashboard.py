"""DASHBOARD: what the operators' pages cost with a million attempts behind them and ten thousand live answers."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.bench.processes import Helper
from tests.bench.report import Result, percentile
from tests.valkey import Valkey

LANES = 3
FILL_S = 900.0
QUERIES_MAX = 10
MS_MAX = 300
PAGES = {
    "dashboard, 1 h": "/admin/dashboard/?span=1h",
    "dashboard, 24 h": "/admin/dashboard/?span=24h",
    "dashboard, 7 d": "/admin/dashboard/?span=7d",
    "its tiles, every 3 s": "/admin/dashboard/?part",
    "live answers, first page": "/admin/answers/?part",
    "lanes": "/admin/lanes/?part",
}


def pages(quick: bool) -> Result:
    attempts, live, times = (20_000, 500, 3) if quick else (1_000_000, 10_000, 20)
    result = Result("DASHBOARD", f"{attempts:,} attempts, {live:,} live answers")
    with tempfile.TemporaryDirectory(prefix="bench-dashboard-") as folder:
        server = Valkey(Path(folder) / "valkey.sock")
        server.start()
        try:
            with Helper("tests.bench.inside", "dashboard_site", env=_environment(server, Path(folder))) as site:
                filled = site.do("fill", attempts=attempts, live=live, within_s=FILL_S)
                for name, path in PAGES.items():
                    _add(result, name, site.do("page", path=path, times=times))
        finally:
            server.stop()
    result.notes.append(
        f"one process, no network: from the request to the rendered page, the slowest of {times} left out for p95; the "
        f"attempts lie in 7 days, with {filled['rollups']:,} rows of rollups (those of people are read "
        f"once a minute); "
        f"{filled['waiting']:,} tickets wait in {LANES} lanes of a real Valkey; staff with the four permissions."
    )
    return result


def _add(result: Result, name: str, seen: dict[str, list[float]]) -> None:
    result.add(f"{name}: p50", percentile(seen["ms"], 50), "ms", at_most=MS_MAX)
    result.add(f"{name}: the first time", seen["ms"][0], "ms")
    result.add(f"{name}: p95", percentile(seen["ms"], 95), "ms")
    result.add(f"{name}: queries", max(seen["queries"]), "", at_most=QUERIES_MAX)


def _environment(server: Valkey, folder: Path) -> dict[str, str]:
    """A database and a server of its own; the settings are the product's."""
    models = [
        {"alias": f"model{n}", "label": f"Model {n}", "provider": "demo", "model": f"m{n}", "lane": f"lane{n}"}
        for n in range(LANES)
    ]
    return {
        "DJANGO_SETTINGS_MODULE": "tests.bench.site_settings",
        "BENCH_SITE": json.dumps({"models": models, "streaming": {}}),
        "SECRET_KEY": "only-for-the-benchmark",
        "DATABASE_URL": f"sqlite:///{folder / 'dashboard.sqlite3'}",
        "REDIS_URL": server.url,
        "CELERY_BROKER_URL": f"redis+socket://{server.socket}",
        "LOG_LEVEL": "ERROR",
    }
