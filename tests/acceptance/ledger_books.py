"""The three books of a running demo beside the provider's own: ledger, rollups, and `/metrics` of its processes."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import redis
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.rig import Demo, until
from tests.simulator.script import parse

TOKENS = ("input_tokens", "output_tokens", "cached_tokens")


@dataclass
class Samples:
    """Of counters, by name and labels; of one process, or of several together."""

    values: Counter[tuple[str, frozenset[tuple[str, str]]]] = field(default_factory=Counter)

    def __add__(self, other: Samples) -> Samples:
        return Samples(self.values + other.values)

    def by(self, name: str, *labels: str, **only: str) -> dict[Any, float]:
        """Sums of a metric by some of its labels; without what is zero."""
        found: Counter[Any] = Counter()
        for (known, pairs), value in self.values.items():
            words = dict(pairs)
            if known == name and only.items() <= words.items():
                found[tuple(words[label] for label in labels)] += value
        return {key[0] if len(key) == 1 else key: value for key, value in found.items() if value}


def scrape(url: str) -> Samples:
    with urllib.request.urlopen(url, timeout=120) as answer:
        text = answer.read().decode()
    found = Samples()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.values[sample.name, frozenset(sample.labels.items())] += sample.value
    return found


def worker_metrics(demo: Demo, pid: int) -> Samples:
    """Of the worker process `pid`, whose lease names its port: its first one is older than that."""

    def leases() -> list[Any]:
        with redis.Redis.from_url(demo.redis_url) as client:
            found = [client.get(name) for name in client.scan_iter(match=f"worker:*:{pid}:*")]
        said = [json.loads(lease) for lease in found if lease is not None]
        return [each for each in said if "probes_port" in each]

    said = until(leases, "the worker's lease with its port")[0]
    return scrape(f"http://127.0.0.1:{said['probes_port']}/metrics")


def ledger(demo: Demo) -> dict[str, list[dict[str, Any]]]:
    """The lines of each model, in the order of their attempts."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in demo.rows("SELECT * FROM streaming_attempt ORDER BY model, generation_id, number"):
        found.setdefault(row["model"], []).append(row)
    return found


def sums(demo: Demo, table: str, where: str) -> dict[str, tuple[int, ...]]:
    """Tokens and cost of each model."""
    columns = ", ".join(f"COALESCE(SUM({name}), 0) AS {name}" for name in (*TOKENS, "cost_micro"))
    rows = demo.rows(f"SELECT model, {columns} FROM {table} WHERE {where} GROUP BY model")
    return {row.pop("model"): tuple(row.values()) for row in rows}


def true_tokens(exchange: dict[str, Any]) -> tuple[int, int]:
    """What the provider read and wrote, by its own log."""
    return parse(exchange["model"]).input, exchange["tokens"]
