"""The dashboard that is shipped asks only for metrics and labels that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from streaming import metrics

FILE = Path(__file__).parents[3] / "chatsite" / "ops" / "grafana.json"
FUNCTIONS = {"histogram_quantile", "sum", "max", "rate", "by"}
QUERIES = [target["expr"] for panel in json.loads(FILE.read_text())["panels"] for target in panel["targets"]]
#: Name of a sample → labels of its metric.
KNOWN = {
    f"{family.name}{suffix}": {*getattr(collector, "_labelnames", ()), "le"}
    for collector in set(metrics.REGISTRY._collector_to_names)
    for family in collector.collect()
    for suffix in {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_metrics_that_exist(query: str) -> None:
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\bby\s*\([^)]*\)|\d+(\.\d+)?", "", query)
    names = set(re.findall(r"[a-z_]\w+", bare)) - FUNCTIONS
    assert names
    assert names <= KNOWN.keys()


@pytest.mark.parametrize("query", [query for query in QUERIES if " by (" in query])
def test_a_query_groups_by_labels_that_exist(query: str) -> None:
    (name,) = set(re.findall(r"chat_\w+", query))
    labels = set(re.findall(r"by \(([^)]*)\)", query)[0].replace(" ", "").split(","))
    assert labels <= KNOWN[name]


def test_no_metric_names_a_person() -> None:
    assert not [name for name, labels in KNOWN.items() if {"user", "user_id", "username"} & labels]


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    counted = ("_count", "_sum")
    ours = {name.removesuffix("_bucket") for name in KNOWN if name.startswith("chat_") and not name.endswith(counted)}
    assert not [name for name in ours if not any(name in query for query in QUERIES)]
