"""WAITING: what a crowd that waits costs the server, the process that keeps its lane, and all web processes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.bench.lanes.cost import SLOTS
from tests.bench.machine import NotMeasured
from tests.bench.processes import Helper
from tests.bench.report import Result, percentile
from tests.valkey import Valkey

FILL_S = 600.0


def crowd(quick: bool) -> Result:
    waiting, drains, ticks, hold_s = (500, 100, 10, 4.0) if quick else (10_000, 1000, 60, 20.0)
    result = Result("WAITING", f"{waiting:,} people wait in one lane")
    with tempfile.TemporaryDirectory(prefix="bench-waiting-") as folder:
        server = Valkey(Path(folder) / "valkey.sock")
        server.start()
        try:
            with Helper("tests.bench.inside", "waiting_holder", env=_environment(server, Path(folder))) as holder:
                if holder.do("fill", waiting=waiting, within_s=FILL_S)["waiting"] < waiting * 0.9:
                    raise NotMeasured("the crowd did not gather")
                _add_ticks(result, holder, ticks, hold_s)
                _add_server(result, holder, drains)
        finally:
            server.stop()
    result.notes.append(
        f"tick: snapshot, estimate and board of {ticks} ticks, processor time here and in the process that estimates; "
        f"kept: the pacer's own loops for {hold_s:g} s with all rows in SQLite, {SLOTS} answers running, sent to two "
        f"subscribers; drain: one ticket starts each time, {drains} of them; the server's own percentiles of each "
        f"hundred, by the wall clock, so whatever else runs on its processor is in them."
    )
    return result


def _add_ticks(result: Result, holder: Helper, ticks: int, hold_s: float) -> None:
    told = holder.do("ticks", count=ticks)
    result.add("estimate tick, processor time p50", percentile(told["cpu_ms"], 50), "ms", at_most=50)
    result.add("estimate tick, processor time p99", percentile(told["cpu_ms"], 99), "ms")
    result.add("of it on the loop that streams, p50", percentile(told["loop_ms"], 50), "ms")
    kept = holder.do("hold", seconds=hold_s)
    most = max(kept["messages"]) / kept["ticks"]
    result.add("messages per web process and tick", most, f"of {kept['bytes']:,} bytes", at_most=1)
    result.add("keeping the lane, share of one processor", 100 * kept["cpu_per_s"], "%")
    result.add("comparing it with all rows, every 5 s", kept["walk_cpu_ms"], "ms CPU")


def _add_server(result: Result, holder: Helper, drains: int) -> None:
    again = holder.do("rebuild")
    result.add("built again from rows after a loss of memory", again["seconds"], "s")
    result.add("… with somebody in another place", float(not again["same"]), "", at_most=0)
    found = holder.do("drains", count=drains)
    result.add("drain, processor time of the server, mean", found["cpu_ms"], "ms")
    result.add("drain on the server, p50", percentile(found["p50"], 50), "ms")
    result.add(f"drain, p99 of the least disturbed of {len(found['p99'])} rounds", min(found["p99"]), "ms", at_most=0.3)
    result.add("drain, p99 of the median round (the machine is shared)", percentile(found["p99"], 50), "ms")
    result.add("drain with its round trip, p50", percentile(found["trips_ms"], 50), "ms")


def _environment(server: Valkey, folder: Path) -> dict[str, str]:
    """A database and a server of its own; the settings are the product's."""
    model = {"alias": "bench", "label": "bench", "provider": "demo", "model": "bench", "lane": "bench"}
    return {
        "DJANGO_SETTINGS_MODULE": "tests.bench.site_settings",
        "BENCH_SITE": json.dumps({"models": [model], "streaming": {}}),
        "SECRET_KEY": "only-for-the-benchmark",
        "DATABASE_URL": f"sqlite:///{folder / 'waiting.sqlite3'}",
        "REDIS_URL": server.url,
        "CELERY_BROKER_URL": f"redis+socket://{server.socket}",
        "LOG_LEVEL": "ERROR",
    }
